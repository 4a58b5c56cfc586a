"""The command of one trial: W&B's macros filled in."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

from cloister.core.errors import BadInput

PROGRAM = "${program}"
MACROS = (
    "${env}",
    "${interpreter}",
    PROGRAM,
    "${args}",
    "${args_no_equals}",
    "${args_no_hyphens}",
    "${args_no_boolean_flags}",
    "${args_json}",
    "${args_json_file}",
)
_FROM_OUTSIDE = re.compile(r"\$\{envvar:([A-Za-z0-9_]*)\}")
_MACRO = re.compile(r"\$\{[^}]*\}")
ARGUMENTS_FILE = "/tmp/sweep-arguments.json"  # noqa: S108 - of the job's own, in its fence
_WRITE = (
    "import os, sys; open(sys.argv[1], 'w').write(sys.argv[2]);"
    " os.execvp(sys.argv[3], sys.argv[3:])"
)


def check_words(words: tuple[str, ...]) -> None:
    """Raises BadInput for a macro that there is not; one is a word of its own."""
    for word in words:
        for macro in _MACRO.findall(_FROM_OUTSIDE.sub("", word)):
            if macro not in MACROS or macro != word:
                close = difflib.get_close_matches(macro, MACROS, 1)
                whole = "a macro is a word of its own" if macro in MACROS else None
                hint = whole or (f"did you mean {close[0]}?" if close else " ".join(MACROS))
                raise BadInput(f"command: unknown macro in {word}", hint=hint)


def from_outside(words: tuple[str, ...], variables: Mapping[str, str]) -> tuple[str, ...]:
    """The words with ``${envvar:NAME}`` filled in; raises BadInput where it is not set."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in variables:
            raise BadInput(f"command: the variable {name} is not set")
        return variables[name]

    return tuple(_FROM_OUTSIDE.sub(value, word) for word in words)


def command(
    words: tuple[str, ...], program: str | None, interpreter: str, values: Mapping[str, Any]
) -> tuple[str, ...]:
    """The command for these values.

    ``${env}`` is nothing, as it is for W&B on Windows: /usr/bin/env would hide from the
    record which interpreter runs. A file of arguments is written by the job itself.
    """
    filled = {
        "${env}": [],
        "${interpreter}": [interpreter],
        PROGRAM: [program or ""],
        "${args}": [f"--{name}={value}" for name, value in values.items()],
        "${args_no_equals}": [
            word for name, value in values.items() for word in (f"--{name}", str(value))
        ],
        "${args_no_hyphens}": [f"{name}={value}" for name, value in values.items()],
        "${args_no_boolean_flags}": [*_flags(values)],
        "${args_json}": [json.dumps(values)],
        "${args_json_file}": [ARGUMENTS_FILE],
    }
    found = tuple(part for word in words for part in filled.get(word, [word]))
    if not found:
        raise BadInput("command: nothing is left to run")
    if "${args_json_file}" in words:
        found = (interpreter, "-c", _WRITE, ARGUMENTS_FILE, json.dumps(values), *found)
    return found


def _flags(values: Mapping[str, Any]) -> list[str]:
    """A true one is its name, a false one is not there."""
    return [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in values.items()
        if value is not False
    ]

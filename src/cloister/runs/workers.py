"""How many worker processes a command asks for: an option of its own, or a variable.

What workers draw at random depends on how many there are, so that a replay with another
count may give other bytes. Only numbers are looked at: nothing here is patient data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_OPTION = re.compile(r"--?(?:num|n|data|loader)?[-_]?(?:workers|jobs)", re.IGNORECASE)
_VARIABLES = ("NUM_WORKERS", "N_WORKERS", "WORKERS", "N_JOBS", "LOKY_MAX_CPU_COUNT")
_NUMBER = re.compile(r"-?[0-9]{1,4}")


def count(argv: tuple[str, ...], variables: Mapping[str, str]) -> str | None:
    """The number the command line names, else a variable; None where neither does."""
    for place in range(1, len(argv)):
        found = _value(argv, place)
        if found is not None:
            return found
    named = (variables.get(name, "") for name in _VARIABLES)
    return next((value for value in named if _NUMBER.fullmatch(value)), None)


def replaced(
    argv: tuple[str, ...], variables: Mapping[str, str], number: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Command line and variables that ask for ``number`` workers wherever they ask for some."""
    words = list(argv)
    for place in range(1, len(argv)):
        if _value(argv, place) is None:
            continue
        option, equals, _ = argv[place].partition("=")
        if equals:
            words[place] = f"{option}={number}"
        else:
            words[place + 1] = number
    changed = {
        name: number if name in _VARIABLES and _NUMBER.fullmatch(value) else value
        for name, value in variables.items()
    }
    return tuple(words), changed


def _value(argv: tuple[str, ...], place: int) -> str | None:
    """The number given to an option for workers that stands at ``place``."""
    option, equals, value = argv[place].partition("=")
    if not _OPTION.fullmatch(option):
        return None
    if not equals:
        value = argv[place + 1] if place + 1 < len(argv) else ""
    return value if _NUMBER.fullmatch(value) else None

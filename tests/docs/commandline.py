"""What a page tells people to type, held against the real command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click

from cloister.cli.root import EVERYDAY, root

_FENCED = re.compile(r"^```.*?\n(.*?)^```$", re.M | re.S)
_IN_TEXT = re.compile(r"`(?:echo \S+ \| )?cloister ([^`]+)`")
_TYPED = re.compile(r"^(?:\$ )?(?:[^|\n]* \| )?cloister (?![\[_\-]?[A-Z\[])(.+)$", re.M)


def typed(text: str) -> Iterator[list[str]]:
    """The arguments of each `cloister` command that stands on a line of a block."""
    for block in _FENCED.findall(text):
        for found in _TYPED.findall(block.replace("\\\n", " ")):
            line = re.split(r"  #| [|<>&](?: |$)", found)[0]
            yield shlex.split(line.replace("...", "x").replace("…", "x"))


def mentioned(text: str) -> Iterator[list[str]]:
    """The arguments of each command named in running text."""
    for found in _IN_TEXT.findall(text):
        words = found.replace("\n", " ").split()
        if words and words[0].islower():
            yield words


def check(words: list[str], *, whole: bool) -> None:
    """Raises unless these words name a command and its options; if whole, all it must get."""
    command, rest = _resolve(words)
    context = click.Context(command)
    own = rest[: rest.index("--")] if "--" in rest else rest
    parser = command.make_parser(context)
    context.resilient_parsing = not whole  # a mere mention need not name what is required
    for word in own:
        if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in _options(command):
            raise AssertionError(f"{command.name} has no option {word}")
    if whole and not isinstance(command, click.Group):
        values, left, _ = parser.parse_args(list(rest))
        assert not left, left
        _check_values(command, values)


def _resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The innermost command that the words name, and what is left for it."""
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] == "--lab" else words[1:]
        if not words:
            return root, []
    assert words[0] in EVERYDAY, f"no command {words[0]}"
    command = root.get_command(click.Context(root), words[0])
    rest = words[1:]
    while isinstance(command, click.Group) and rest and rest[0].islower() and rest[0].isalpha():
        inner = command.get_command(click.Context(command), rest[0])
        if inner is None and hasattr(command, "otherwise"):
            break
        assert inner is not None, f"no command {' '.join(words)}"
        command, rest = inner, rest[1:]
    assert command is not None
    if rest and isinstance(command, click.Group) and hasattr(command, "otherwise"):
        command = command.commands[command.otherwise]
    return command, rest


def _options(command: click.Command) -> set[str]:
    known = {option for parameter in command.params for option in parameter.opts}
    return known | {"--help", "-h", "--version", "--quiet", "-q"} if command is root else known


def _check_values(command: click.Command, values: dict[str, object]) -> None:
    for parameter in command.params:
        value = values.get(str(parameter.name))
        given = value is not None and value != () and type(value).__name__ != "Sentinel"
        assert given or not parameter.required, f"{command.name} needs {parameter.name}"
        if given and isinstance(parameter.type, click.Choice):
            parameter.type.convert(value, parameter, click.Context(command))

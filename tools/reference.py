"""Writes the reference pages that the code already knows: commands and errors.

Usage: python tools/reference.py; the test of the docs sees that they are up to date.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from cloister.cli.root import EVERYDAY, root
from cloister.core import errors
from cloister.core.errors import CloisterError

PLACE = Path(__file__).resolve().parent.parent / "docs/reference"


def main() -> None:
    """Writes both pages."""
    (PLACE / "commands.md").write_text(commands_page())
    (PLACE / "errors.md").write_text(errors_page())


def commands_page() -> str:
    """Every command as its own help describes it."""
    parts = [
        "# Commands\n",
        "Written from the program's own help by `tools/reference.py`.\n",
        "`cloister [OPTIONS] COMMAND`, with these options before any command; `--json` may",
        "also stand after it.\n",
        *_options(root, click.Context(root, info_name="cloister")),
        "\nExit statuses are those of [errors](errors.md): 0 done, 1 a defect of ours, 2 a",
        "user's mistake, 3 refused, 4 keys unavailable, 5 erased, 6 not what was signed, 7 a",
        "disk that failed, 130 interrupted. `run` and `shell` end with the job's own status.\n",
    ]
    for name in EVERYDAY:
        command = root.get_command(click.Context(root), name)
        assert command is not None
        parts += _command(command, ["cloister", name])
    return "\n".join(parts).rstrip() + "\n"


def _command(command: click.Command, names: list[str]) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(names))
    yield f"\n## {' '.join(names)}\n"
    yield f"`{command.get_usage(context).removeprefix('Usage: ')}`\n"
    yield _prose(command)
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(inner, [*names, name])


def _prose(command: click.Command) -> str:
    """The help text; what click was told not to wrap becomes a block."""
    paragraphs = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            paragraphs.append("```\n" + paragraph.removeprefix("\b").strip("\n") + "\n```")
        else:
            paragraphs.append(paragraph)
    return "\n\n".join(paragraphs) + "\n"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    rows = []
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            record = parameter.get_help_record(context)
            if record is not None and "--help" not in parameter.opts:
                rows.append(
                    f"| `{record[0].replace('|', '/')}` | {record[1].replace('|', '/')} |"
                )
    if rows:
        yield "| option | |\n| --- | --- |"
        yield "\n".join(rows)


def errors_page() -> str:
    """Every code, its exit status and its meaning, as the tree has them."""
    rows = [
        f"| {kind.code} | {kind.__name__} | {kind.exit_status} | {inspect.getdoc(kind)} |"
        for kind in sorted(_kinds(CloisterError), key=lambda kind: kind.code)
    ]
    tree = inspect.getdoc(errors)
    assert tree is not None
    drawn = inspect.cleandoc(tree.split("::", 1)[1])
    return "\n".join(
        [
            "# Errors\n",
            "Written from `cloister.core.errors` by `tools/reference.py`.\n",
            "Every error says what, which id, what was expected and found, what to do next;",
            "never patient data. With `--json` it is one object on standard error:",
            '`{"error": {"code", "message", "hint"}}`.\n',
            "| code | name | exit status | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "\n```text",
            drawn,
            "```\n",
        ]
    )


def _kinds(kind: type[CloisterError]) -> Iterator[type[CloisterError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _kinds(inner)


if __name__ == "__main__":
    main()

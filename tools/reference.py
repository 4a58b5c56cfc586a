"""Writes the reference pages that the code already knows: commands, errors, findings.

Usage: python tools/reference.py; the test of the docs sees that they are up to date.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from cloister.checks import KINDS
from cloister.cli.root import EVERYDAY, root
from cloister.core import errors
from cloister.core.errors import CloisterError
from cloister.web.mlflow import surface

PLACE = Path(__file__).resolve().parent.parent / "docs/reference"
STATUSES = {
    0: "done; `run` and `shell`: the job ended well",
    1: "a defect of ours",
    2: "a user's mistake, or a command line that cannot be understood; nothing acknowledged",
    3: "refused by policy, retention or the fence",
    4: "the key service cannot answer",
    5: "the data were erased",
    6: "something is not what was signed; for `audit` and `doctor`: something was found",
    7: "a disk failed",
    8: "`check --fail-on`: something as grave was found",
    9: "the database server does not answer",
    10: "`reproduce`: EQUIVALENT",
    11: "`reproduce`: DIFFERENT",
    12: "`reproduce`: UNREPRODUCIBLE",
    13: "the machine that a job ran on is gone; the run is on record as interrupted",
    130: "interrupted",
    141: "whoever read the output went away",
}
NEXT = {
    "E000": "report the line it prints; nothing acknowledged was lost",
    "E100": "read the message",
    "E101": "check the name: `cloister ls`, `ls --runs`, `ls --subjects`; the lab: `--lab`",
    "E102": "choose another name, folder or file; or wait for the process that is at work",
    "E103": "correct what the message names; `cloister COMMAND --help`",
    "E104": "make room, then repeat the command",
    "E105": "add again when nothing writes to the file",
    "E106": "give rows like those it will see; or declare the difference: `export --tolerance`",
    "E200": "read the message",
    "E201": "ask a member with the role it names; a tainted model: `serve --tainted`",
    "E202": "nothing: to make data unreadable, erase the patient",
    "E203": "`cloister doctor` names the host's fix; or accept less with `--fence partial`",
    "E204": "wait, as long as is said; an admin sees `login.refused` in the ledger",
    "E205": "a second person says `cloister approval approve`; then the same command again",
    "E300": "read the message",
    "E301": "`cloister unlock`",
    "E302": "try again, or `cloister unlock --recovery`",
    "E303": "put the keys folder back: key store and epoch record of one day",
    "E305": "bring the disk or mount back (`cloister keys copy` says why it is away), or go on"
    " without it: [keep a second copy](../how-to/keep-a-second-copy.md)",
    "E304": "`cloister unlock`; its last words are in `keyd.log` in the runtime folder",
    "E400": "nothing: nobody can read it again",
    "E500": "stop writing to the lab; `cloister doctor` says what is broken",
    "E501": "`cloister doctor --scrub` names the object; put it back from a copy of the lab",
    "E502": "do not write to this lab: somebody rewrote its history; compare with a copy",
    "E503": "do not write to this lab: it is an older one; find the newer, or use `readback`",
    "E504": "compare `lab.pub` with the recovery kit; run `cloister audit`",
    "E505": "keep the files; a copy of this very state can be put back, an older is refused",
    "E600": "look at the disk and its log, repair, repeat the command, then `cloister audit`",
    "E700": "start the database server, then repeat the command",
    "E800": "see that the machine is up and reached; run it again, there or elsewhere",
}
"""What a person does about each code; a message's own next line says more."""


def main() -> None:
    """Writes the pages."""
    (PLACE / "commands.md").write_text(commands_page())
    (PLACE / "errors.md").write_text(errors_page())
    (PLACE / "findings.md").write_text(findings_page())
    (PLACE / "mlflow.md").write_text(mlflow_page())


def commands_page() -> str:
    """Every command as its own help describes it."""
    parts = [
        "# Commands\n",
        "Written from the program's own help by `tools/reference.py`.\n",
        "`cloister [OPTIONS] COMMAND`, with these options before any command; `--json` may",
        "also stand after it.\n",
        *_options(root, click.Context(root, info_name="cloister")),
        "\n[Exit statuses](errors.md#exit-statuses): 0 done, 2 a user's mistake, 3 refused,",
        "4 keys unavailable, 5 erased, 6 not what was signed, 7 a disk that failed, 8 found by",
        "`check --fail-on`. `run` and `shell` end with the job's own.\n",
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


def mlflow_page() -> str:
    """Which of MLflow's endpoints are answered, and which are not."""
    ours = {(one.method, one.path) for one in (*surface.OPEN, *surface.ENDPOINTS)}
    spelled = {_plain(*one): one for one in known_endpoints()} | {
        _plain(*one): one for one in ours
    }
    answered = {_plain(*one) for one in ours}
    areas: dict[str, tuple[list[str], list[str]]] = {}
    for plain, (method, path) in sorted(spelled.items(), key=lambda item: item[1][::-1]):
        cells = areas.setdefault(_area(path), ([], []))
        cells[plain not in answered].append(f"`{method} {path}`")
    missing = len(spelled) - len(answered)
    parts = [
        "# MLflow's endpoints\n",
        "Written from the routing table by `tools/reference.py`, beside the list of what a",
        "server of MLflow answers. Addresses stand below `/api` and `/ajax-api`; those",
        "beside and `/v1/traces` stand by themselves.",
        f"{len(answered)} are answered. {missing} are not: those answer 501 with",
        '`{"error_code": "NOT_IMPLEMENTED", ...}` and their own name. Most of them are for',
        "language models, agents and gateways to other people's servers.\n",
        "The same answers come at both doors: [inside `run` and under",
        "`up`](../how-to/track-with-mlflow.md).\n",
    ]
    for title, place in (("Answered", 0), ("Not answered", 1)):
        parts += [f"## {title}\n", "| area | endpoints |", "| --- | --- |"]
        parts += [
            f"| {area} | {' <br> '.join(cells[place])} |"
            for area, cells in areas.items()
            if cells[place]
        ]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def known_endpoints() -> list[tuple[str, str]]:
    """Method and path of everything that a server of MLflow answers."""
    lines = (Path(__file__).parent / "mlflow_endpoints.txt").read_text().splitlines()
    return [(line.split()[0], line.split()[1]) for line in lines if not line.startswith("#")]


def _plain(method: str, path: str) -> tuple[str, str]:
    """The endpoint, whatever its parameters are called."""
    return method, re.sub(r"\{[^}]*\}", "{}", path)


def _area(path: str) -> str:
    """What the endpoint is about."""
    words = [word for word in path.split("/") if word and not word[0].isdigit()]
    named = [word for word in words if word != "mlflow"]
    return named[0] if len(named) > 1 or "mlflow" in words else "beside"


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
        f"| {kind.code} | {kind.__name__} | {kind.exit_status} | {_meaning(kind)} |"
        f" {NEXT[kind.code]} |"
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
            "| code | name | exit status | meaning | what to do |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "\n## Exit statuses\n",
            "| status | meaning |",
            "| --- | --- |",
            *(f"| {status} | {meaning} |" for status, meaning in STATUSES.items()),
            "\n`run` and `shell` end with the job's own status; 128 + n: signal n ended it.",
            "`cloister_verify.py` has [statuses of its own](../how-to/verify-a-bundle.md).\n",
            "## The tree\n",
            "```text",
            drawn,
            "```\n",
        ]
    )


def findings_page() -> str:
    """Every kind of finding, by code."""
    rows = [
        f"| {kind.code} | {kind.severity.word} | {kind.title} | {kind.advice} |"
        for kind in sorted(KINDS.values(), key=lambda kind: kind.code)
    ]
    return "\n".join(
        [
            "# Findings\n",
            "Written from `cloister.checks` by `tools/reference.py`. How they come about:",
            "[check your data](../how-to/check-your-data.md).\n",
            "An error means that a result on these data is wrong until it is dealt with, a",
            "warning that it may be, a note is to know. Codes never change their meaning. The",
            "ledger keeps code, severity and count of each; which records is kept sealed.\n",
            "| code | severity | what was found | what to do |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _meaning(kind: type[CloisterError]) -> str:
    """The first sentence of its docstring."""
    if kind is CloisterError:
        return "A defect of ours"
    return (inspect.getdoc(kind) or "").partition("\n")[0].rstrip(".")


def _kinds(kind: type[CloisterError]) -> Iterator[type[CloisterError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _kinds(inner)


if __name__ == "__main__":
    main()

"""``cloister hub``: pretrained models that jobs find offline."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.output import size
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.words import count
from cloister.models.hub import Snapshot
from cloister.workflows.models import hub


@click.group("hub")
def command() -> None:
    """Keep pretrained models in the lab; jobs find them where from_pretrained looks."""


@command.command("add")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--license", "license_id", required=True, metavar="SPDX", help="Its licence.")
@click.option(
    "--name", metavar="[ORG/]NAME", help="What scripts call it. [default: the folder]"
)
@click.option(
    "--without", multiple=True, metavar="PATTERN", help="Files to leave out; repeat for more."
)
@click.option("--allow-code", is_flag=True, help="Keep Python that from_pretrained may run.")
@with_context
def add(
    context: Context,
    folder: Path,
    license_id: str,
    name: str | None,
    without: tuple[str, ...],
    allow_code: bool,
) -> None:
    """Check a downloaded model and keep it, with its licence and digests on record.

    Kept are safetensors, JSON, vocabularies and texts. Pickled weights are refused, and so
    is Python. The bytes are kept as they are, unsealed: nothing of a patient belongs there.

    \b
    Examples:
      cloister hub add ./bert-snapshot --license apache-2.0 --name bert-base
      cloister hub add ./phi --license mit --name microsoft/phi --without '*.bin'
    """
    request = hub.HubRequest(
        folder, license_id, name or folder.resolve().name, without, allow_code
    )
    with open_lab(context) as lab, context.output.progress() as progress:
        added = hub.add(lab, request, progress)
    output, files = context.output, added.contents()
    output.line(f"{added.name} is in the hub")
    output.pairs(
        [
            ("licence", added.license),
            ("files", f"{count(len(files), 'file')}, {size(_bytes(added))}"),
            ("sha256", f"{added.sha256} (of its manifest)"),
            ("code", "Python was let in" if added.code else None),
        ]
    )
    output.value(_value(added))


@command.command("ls")
@with_context
def ls(context: Context) -> None:
    """List the pretrained models of the lab.

    \b
    Example:
      cloister hub ls
    """
    with open_lab(context) as lab:
        found = hub.ls(lab)
    if found:
        header = ("model", "licence", "files", "size", "code", "added", "sha256")
        context.output.table(header, [_row(one) for one in found])
    else:
        context.output.line("no pretrained models yet: `cloister hub add FOLDER`")
    context.output.value([_value(one) for one in found])


@command.command("rm")
@click.argument("name")
@with_context
def rm(context: Context, name: str) -> None:
    """Take a model from the hub; what runs were given stays on record.

    \b
    Example:
      cloister hub rm bert-base
    """
    with open_lab(context) as lab:
        gone = hub.remove(lab, name)
    context.output.line(f"{gone.name} is not in the hub any more")
    context.output.value({"name": gone.name, "sha256": gone.sha256})


def _row(one: Snapshot) -> tuple[object, ...]:
    code = "yes" if one.code else "-"
    files = len(one.contents())
    return (
        one.name,
        one.license,
        files,
        size(_bytes(one)),
        code,
        one.time[:10],
        one.sha256[:16],
    )


def _bytes(one: Snapshot) -> int:
    return sum(file.size_bytes for file in one.contents())


def _value(one: Snapshot) -> dict[str, object]:
    return {
        "name": one.name,
        "license": one.license,
        "sha256": one.sha256,
        "files": [file.body() for file in one.contents()],
        "code": bool(one.code),
    }

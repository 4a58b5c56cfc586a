"""``cloister prove``: a bundle for whoever must be convinced."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.output import size
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.ids import OperationId
from cloister.core.words import count
from cloister.proof.bundle import Bundle
from cloister.workflows.models.prove import prove
from cloister.workflows.patients.certificate import prove_erasure


@click.command("prove")
@click.argument("run")
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="The bundle's new folder.",
)
@click.option(
    "--disclose",
    multiple=True,
    metavar="RECORD",
    help="Open this record's commitment; repeat for more.",
)
@click.option("--contents", is_flag=True, help="Put the disclosed records in, as plaintext.")
@with_context
def command(
    context: Context, run: str, folder: Path, disclose: tuple[str, ...], contents: bool
) -> None:
    """Write the proof of RUN (or last): models, statement, ledger entries, checkpoint.

    RUN may also be an erasure (op_...): the bundle then holds its certificate.

    It names pseudonyms only. Check it anywhere with cloister_verify.py (see `cloister
    verifier`) and the lab's lab.pub, which the auditor should get from you, not from the
    bundle.

    \b
    Example:
      cloister prove last -o bundle/
      python cloister_verify.py bundle/ --trust lab.pub
    """
    with open_lab(context) as lab:
        if run.startswith("op_"):
            _show_erasure(
                context, run, folder, prove_erasure(lab, OperationId.parse(run), folder)
            )
            return
        proven = prove(lab, run, folder, disclose, contents=contents)
    output, bundle = context.output, proven.bundle
    output.line(f"{folder} proves {proven.run}")
    output.pairs(
        [
            *((model.name, f"sha256 {model.sha256}") for model in proven.models),
            ("data class", proven.data_class),
            ("ledger", f"{count(proven.entries, 'entry', 'entries')} of {proven.head.size:,}"),
            (
                "bundle",
                f"{count(proven.bundle.files, 'file')}, {size(proven.bundle.size_bytes)}",
            ),
        ]
    )
    output.value(
        {
            "run": proven.run,
            "folder": str(folder),
            "models": {model.name: model.sha256 for model in proven.models},
            "data_class": proven.data_class,
            "entries": proven.entries,
            "ledger_size": proven.head.size,
            "files": bundle.files,
            "bytes": bundle.size_bytes,
        }
    )


def _show_erasure(context: Context, operation: str, folder: Path, bundle: Bundle) -> None:
    context.output.line(f"{folder} proves the erasure {operation}")
    context.output.value(
        {
            "operation": operation,
            "folder": str(folder),
            "files": bundle.files,
            "bytes": bundle.size_bytes,
        }
    )

"""``cloister page``: the chain from patient to prediction, to look at."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.cli.subject_argument import spoken, subject_argument
from cloister.core.files import write_durably
from cloister.proof.page import render_chain
from cloister.workflows.patients.chain import chain
from cloister.workflows.patients.whose import patient


@click.command("page")
@subject_argument
@click.option(
    "-o",
    "--output",
    "file",
    default="chain.html",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The page to write.",
)
@with_context
def command(context: Context, subject: str, issuer: str, file: Path) -> None:
    """Write one patient's chain as a self-contained HTML page: record, label, version, run,
    model, prediction. It shows pseudonyms only.

    \b
    Example:
      echo P0017 | cloister page - -o chain.html
    """
    with open_lab(context) as lab:
        drawn = chain(lab, patient(lab, spoken(subject), issuer))
    write_durably(file, render_chain(drawn).encode(), 0o644)
    context.output.line(f"wrote {file}")
    context.output.value({"file": str(file)})

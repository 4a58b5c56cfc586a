"""``cloister relabel``: new labels for old records."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.labels.parse import LabelProblem, LabelRules
from cloister.workflows.data.add import LabelSource
from cloister.workflows.data.relabel import relabel


@click.command("relabel")
@click.argument("dataset")
@click.option(
    "--labels",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A table of labels.",
)
@click.option("--subject-column", metavar="COLUMN", help="The table's column of subject ids.")
@click.option("--issuer", default="local", show_default=True, help="Who gave the subject ids.")
@click.option(
    "--label-column",
    "label_columns",
    multiple=True,
    metavar="COLUMN",
    help="A label column; repeat for more. [default: all but the keys]",
)
@with_context
def command(
    context: Context,
    dataset: str,
    labels: Path,
    subject_column: str | None,
    issuer: str,
    label_columns: tuple[str, ...],
) -> None:
    """Label the records of DATASET from a table, as `add --labels` does with the folder.

    What says something else than the label in force replaces it; both stay on record.

    \b
    Example:
      cloister relabel data1 --labels second-reading.csv
    """
    rules = LabelRules(issuer, subject_column, None, label_columns)
    with open_lab(context) as lab:
        done = relabel(lab, dataset, LabelSource(labels.absolute(), rules))
    output = context.output
    output.line(f"{done.version} {'is new' if done.labels else 'stands: nothing was new'}")
    output.pairs([("labels", f"{done.labels:,} new"), ("root", done.version.root)])
    for code, number in sorted(done.problems.items()):
        output.line(f"  {number:>9,}  label lines {code}: {LabelProblem.of(code).reason}")
    output.value(
        {
            "dataset": done.version.dataset,
            "version": done.version.number,
            "root": done.version.root,
            "labels": done.labels,
            "label_problems": dict(done.problems),
        }
    )

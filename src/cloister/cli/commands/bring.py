"""``cloister import``: what another platform tracked."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import note_without_backup, open_lab
from cloister.core.words import count
from cloister.tracking.stock import open_store
from cloister.workflows.tracking.brought import ImportReport
from cloister.workflows.tracking.importing import bring
from cloister.workflows.tracking.visit import Visit


@click.group("import")
def command() -> None:
    """Bring in what another platform tracked."""


@command.command("mlflow")
@click.argument("store", metavar="URI")
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the server kept what is called mlflow-artifacts:/, if it is not beside URI.",
)
@with_context
def mlflow(context: Context, /, store: str, artifacts: Path | None) -> None:
    """Bring in a stock MLflow's store: experiments, runs, history, files, models, traces.

    URI is the folder `mlruns`, or sqlite:///mlflow.db. It is only read. Runs keep their ids,
    and those that are here already are left alone, so it can be repeated: after a kill, or
    when the old server went on for a while.

    \b
    Examples:
      cloister import mlflow ./mlruns
      cloister import mlflow sqlite:///mlflow.db --artifacts ./mlartifacts
    """
    with open_lab(context) as lab:
        opened = open_store(store, artifacts)
        with closing(opened), context.output.progress() as progress:
            report = bring(Visit(lab), opened, progress)
        note_without_backup(context, lab)
    _tell(context.output, report)


def _tell(output: Output, report: ImportReport) -> None:
    """What came, and what did not."""
    output.line(
        f"{count(report.runs, 'run')} of {count(report.experiments, 'experiment')},"
        f" {count(report.points, 'point')}, {count(report.files, 'artifact')},"
        f" {count(report.models, 'logged model')}, {count(report.versions, 'version')}"
        f" of registered ones, {count(report.traces, 'trace')}"
    )
    for number, what in (
        (report.known, "were here already"),
        (report.elsewhere, "without artifacts on this machine: see --artifacts"),
        (report.refused, "artifacts of a name that cannot be kept"),
        (report.unplaced, "versions of registered models whose files did not come"),
        (report.unread, "traces of a form that is not read"),
        (report.unassessed, "assessments of a kind that is not kept"),
        (report.shortened, "values cut to MLflow's limits"),
        (report.identified, "named patients: by pseudonym now"),
    ):
        if number:
            output.note(f"{number} {what}")
    output.value(
        {
            "artifacts": report.files,
            "elsewhere": report.elsewhere,
            "experiments": report.experiments,
            "identified": report.identified,
            "known": report.known,
            "models": report.models,
            "points": report.points,
            "refused": report.refused,
            "registered": report.registered,
            "runs": report.runs,
            "shortened": report.shortened,
            "traces": report.traces,
            "unplaced": report.unplaced,
            "unread": report.unread,
            "unassessed": report.unassessed,
            "versions": report.versions,
        }
    )

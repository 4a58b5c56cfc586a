"""``cloister export-all``: everything that was tracked, for a stock MLflow."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.output import size
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.words import count
from cloister.workflows.tracking.exporting import give_all
from cloister.workflows.tracking.visit import Visit


@click.command("export-all")
@click.argument("folder", type=click.Path(path_type=Path))
@with_context
def command(context: Context, /, folder: Path) -> None:
    """Write all experiments, runs, models and traces to FOLDER, with history and files.

    FOLDER must not exist. It becomes a file store of MLflow: plain files that any release
    reads, and `mlflow migrate-filestore` turns into a database. They are not sealed.

    \b
    Example:
      cloister export-all mlruns
      MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri ./mlruns
    """
    with open_lab(context) as lab, context.output.progress() as progress:
        report = give_all(Visit(lab), folder, progress)
    context.output.line(
        f"{count(report.runs, 'run')} of {count(report.experiments, 'experiment')},"
        f" {count(report.points, 'point')}, {count(report.files, 'artifact')}"
        f" ({size(report.size_bytes)}), {count(report.models, 'logged model')},"
        f" {count(report.versions, 'version')} of registered ones,"
        f" {count(report.traces, 'trace')}"
    )
    if report.erased:
        context.output.note(
            f"{count(report.erased, 'artifact')} erased: nobody reads them again"
        )
    if report.renamed:
        context.output.note(f"{count(report.renamed, 'name')} with dots for slashes")
    context.output.note(f"in plain files below {report.folder}: whoever reads them reads all")
    context.output.value(
        {
            "artifacts": report.files,
            "bytes": report.size_bytes,
            "erased": report.erased,
            "experiments": report.experiments,
            "folder": str(report.folder),
            "models": report.models,
            "points": report.points,
            "renamed": report.renamed,
            "runs": report.runs,
            "traces": report.traces,
            "versions": report.versions,
        }
    )

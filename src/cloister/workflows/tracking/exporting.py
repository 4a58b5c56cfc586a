"""Export: everything that was tracked, as files that a stock MLflow reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.core.progress import Progress, silent
from cloister.policy import Action
from cloister.tracking import experiments as tables
from cloister.tracking import history, notes, runs
from cloister.tracking.experiments import Experiment
from cloister.tracking.inputs import Inputs
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.tracking.runs import TrackedRun
from cloister.tracking.stock import StockExperiment, StockRun
from cloister.tracking.stock.writing import FolderWriter
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.exporting_models import give_logged, give_registered
from cloister.workflows.tracking.exporting_traces import give_traces
from cloister.workflows.tracking.given import ExportReport, give_files, holder_of_run
from cloister.workflows.tracking.seen import SeenRun
from cloister.workflows.tracking.visit import Visit

_TOGETHER = 200


def give_all(visit: Visit, folder: Path, progress: Progress = silent) -> ExportReport:
    """Writes all that the caller sees below ``folder``, as of one moment; plain files.

    Deleted experiments and runs are there, as deleted, with their files. Raises BadInput for
    a folder inside the lab, Conflict where something is at that path already. Killed, it
    leaves a folder that is not whole: remove it and begin again.
    """
    visit.act(Action.EXPORT)
    place = Path(os.path.abspath(folder))
    _check_place(visit, place)
    writer, report = FolderWriter(place), ExportReport(place)
    writer.begin()
    with visit.lab.database.read() as tx:
        for one in _seen_experiments(visit, tx):
            writer.experiment(one[0])
            report.experiments += 1
            for run in _runs(visit, tx, one[1].number):
                progress("runs", report.runs, 0)
                place = _write(tx, writer, run, report)
                give_files(visit, tx, holder_of_run(run.run), place, report)
            give_logged(visit, tx, writer, one[1], report)
            give_traces(visit, tx, writer, one[1], report)
        give_registered(visit, tx, writer, report)
    report.renamed = writer.renamed
    return report


def _check_place(visit: Visit, place: Path) -> None:
    here = place.parent.resolve() / place.name
    if any(here.is_relative_to(path.resolve()) for path in visit.lab.private):
        raise BadInput("the folder lies inside the lab", hint="write the export elsewhere")
    if not place.parent.is_dir():
        raise BadInput("the folder above does not exist", hint="make it first")


def _seen_experiments(
    visit: Visit, tx: Transaction
) -> Iterator[tuple[StockExperiment, Experiment]]:
    found = [one for one in tables.everything(tx) if seen.shares(visit, tx, one)]
    for one, tags in seen.with_tags(tx, found):
        stock = StockExperiment(
            id=str(one.number),
            name=one.name,
            stage=one.stage,
            created_ms=one.created_ms,
            tags=tuple(tags),
        )
        yield stock, one


def _runs(visit: Visit, tx: Transaction, experiment: int) -> Iterator[SeenRun]:
    found = [one for one in runs.of_experiment(tx, experiment) if seen.sees(visit, one)]
    for start in range(0, len(found), _TOGETHER):
        yield from seen.with_everything(tx, found[start : start + _TOGETHER])


def _write(tx: Transaction, writer: FolderWriter, one: SeenRun, report: ExportReport) -> Path:
    """A run without its artifacts; gives the folder for those."""
    points = 0

    def counted() -> Iterator[Point]:
        nonlocal points
        for point in history.everything(tx, one.run.run):
            points += 1
            yield point

    given = one.inputs or Inputs([], [], [])
    place = writer.run(_stock(one.run, one), counted(), given)
    report.runs += 1
    report.points += points
    return place


def _stock(run: TrackedRun, one: SeenRun) -> StockRun:
    tags = dict(one.tags)
    if run.fenced is not None:
        tags |= {"cloister.run": run.fenced}  # so that it is found again from outside
    return StockRun(
        id=run.run,
        experiment=str(run.experiment),
        name=run.name,
        user_id=run.user_id,
        status=run.status,
        started_ms=run.started_ms,
        ended_ms=run.ended_ms,
        stage=run.stage,
        params=tuple(map(Note._make, one.params)),
        tags=tuple(
            Note(name, value) for name, value in ({notes.RUN_NAME: run.name} | tags).items()
        ),
        artifacts=None,
    )

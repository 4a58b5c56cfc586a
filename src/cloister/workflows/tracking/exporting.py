"""Export: everything that was tracked, as files that a stock MLflow reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cloister.core.errors import BadInput, Erased
from cloister.core.events import Transaction
from cloister.core.progress import Progress, silent
from cloister.policy import Action, Resource
from cloister.tracking import artifacts, history, notes, runs
from cloister.tracking import experiments as tables
from cloister.tracking.experiments import ACTIVE, Experiment
from cloister.tracking.inputs import Inputs
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.tracking.runs import TrackedRun
from cloister.tracking.stock import StockExperiment, StockRun
from cloister.tracking.stock.writing import FolderWriter
from cloister.workflows.tracking import marks, seen
from cloister.workflows.tracking.artifacts import get
from cloister.workflows.tracking.seen import SeenRun
from cloister.workflows.tracking.visit import Visit

_TOGETHER = 200


@dataclass(slots=True)
class ExportReport:
    """What one export wrote."""

    folder: Path
    experiments: int = 0
    runs: int = 0
    points: int = 0
    files: int = 0
    size_bytes: int = 0
    """Of the artifacts."""
    erased: int = 0
    """Artifacts that nobody can read any more."""
    renamed: int = 0
    """Names that files cannot have beside one another, such as ``a`` and ``a/b``."""


def give_all(visit: Visit, folder: Path, progress: Progress = silent) -> ExportReport:
    """Writes all that the caller sees below ``folder``, as of one moment; plain files.

    Deleted experiments and runs are there, as deleted. Raises BadInput for a folder inside
    the lab, Conflict where something is at that path already. Killed, it leaves a folder that
    is not whole: remove it and begin again.
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
                if ACTIVE == run.run.stage == one[1].stage:
                    _give_artifacts(visit, tx, run.run, place, report)
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


def _give_artifacts(
    visit: Visit, tx: Transaction, run: TrackedRun, place: Path, report: ExportReport
) -> None:
    """What lies below a run, opened one by one: each reading is on record."""
    its = marks.of_fenced(tx, [run.fenced])[run.fenced]
    home = Resource("experiment", str(run.experiment), run.project, its.data_class)
    visit.act(Action.EXPORT, home)
    for one in artifacts.below(tx, run.run):
        try:
            opened = get(visit, f"{run.experiment}/{run.run}/artifacts/{one.path}")
        except Erased:
            report.erased += 1
            continue
        file = place / one.path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as stream:
            stream.writelines(opened.chunks)
        report.files += 1
        report.size_bytes += opened.size_bytes


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
        params=tuple(one.params),
        tags=tuple(
            Note(name, value) for name, value in ({notes.RUN_NAME: run.name} | tags).items()
        ),
        artifacts=None,
    )

"""Import: a stock MLflow's store becomes part of the lab, with its history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.core.progress import Progress, silent
from cloister.policy import Action
from cloister.runs.identified import Place
from cloister.tracking import experiments as tables
from cloister.tracking import inputs, limits, points, runs
from cloister.tracking.experiments import ACTIVE, DELETED, Experiment
from cloister.tracking.inputs import Inputs
from cloister.tracking.notes import RUN_NAME, Note
from cloister.tracking.points import Point
from cloister.tracking.stock import StockExperiment, StockRun, TracedStore
from cloister.workflows.lab import Act
from cloister.workflows.tracking import experiments, seen
from cloister.workflows.tracking.brought import ORIGIN, ImportReport, bring_files, cut
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.importing_models import bring_logged, bring_registered
from cloister.workflows.tracking.importing_traces import bring_traces
from cloister.workflows.tracking.recording import now_ms
from cloister.workflows.tracking.visit import Visit


def bring(visit: Visit, store: TracedStore, progress: Progress = silent) -> ImportReport:
    """Everything in ``store`` is in the lab when this returns; what was there stays.

    Runs, models and traces keep their ids, and so an import that was killed is taken up by
    the next: each run comes whole, with its history, or not at all. Experiments of one name
    become one. Runs are marked as imported, and belong to no fenced run. Raises BadInput.
    """
    act = visit.act(Action.RUN)
    report = ImportReport()
    for one in store.experiments():
        home = _experiment(visit, one)
        report.experiments += 1
        for run in store.runs(one.id):
            progress("runs", report.runs + report.known, 0)
            whole = _Coming(act, visit, home, run, store, report)
            if visit.lab.database.write(whole.write):
                report.runs += 1
                report.points += whole.points
                report.identified += whole.named
            else:
                report.known += 1
            root = f"{home.number}/{run.id}/artifacts"
            bring_files(visit, run.id, root, run.artifacts, report)
        bring_logged(visit, home, store.logged_models(one.id), report)
        if home.stage == ACTIVE:
            bring_traces(visit, home, store.traces(one.id), report)
        if one.stage == DELETED and home.stage == ACTIVE and home.number != tables.DEFAULT:
            experiments.delete(visit, str(home.number))
    bring_registered(visit, store.models(), report)
    return report


def _experiment(visit: Visit, one: StockExperiment) -> Experiment:
    """The experiment of that name, or a new one with its tags."""
    try:
        return experiments.named(visit, one.name).experiment
    except NotFound:
        tags = [note for note in one.tags if len(note.value) <= limits.EXPERIMENT_TAG_CHARS]
        number = experiments.create(visit, one.name, tags)
        return experiments.get(visit, number).experiment


@dataclass(slots=True)
class _Coming:
    """One run on its way in: all of it in one transaction."""

    act: Act
    visit: Visit
    home: Experiment
    run: StockRun
    store: TracedStore
    report: ImportReport
    points: int = 0
    named: int = 0

    def write(self, tx: Transaction) -> bool:
        """False where the run is there already."""
        if runs.of_ids(tx, [self.run.id]):
            return False
        limits.check_run_id(self.run.id)
        seen.experiment(self.visit, tx, str(self.home.number), Action.RUN)
        cleaner = Cleaner(self.visit)
        given = self._said(cleaner)
        append = self.act.lab.ledger.append
        append(tx, [self.act.event("tracked.begun", self._begun(given))])
        self._logged(tx, given, cleaner)
        read = self.store.inputs(self.run)
        if any(read):
            append(tx, [self.act.event("tracked.given", self._given(read, cleaner))])
        ended = {"ended_ms": self.run.ended_ms, "name": None, "status": self.run.status}
        append(tx, [self.act.event("tracked.updated", ended | {"tracked": self.run.id})])
        if DELETED in {self.run.stage, self.home.stage}:
            stage = {"stage": DELETED, "time_ms": now_ms(self.visit.lab)}
            append(tx, [self.act.event("tracked.staged", stage | {"tracked": self.run.id})])
        append(tx, cleaner.events(self.act, self.run.id))
        self.named = int(bool(cleaner.found))
        return True

    def _said(self, cleaner: Cleaner) -> StockRun:
        """The run without ids of patients, and nothing longer than it may be."""
        run = self.run
        name = run.name or dict(run.tags).get(RUN_NAME, "")
        tags = [*(tag for tag in run.tags if tag.name != RUN_NAME), ORIGIN]
        return replace(
            run,
            name=cleaner.text(Place.NAME, name[: limits.RUN_NAME_CHARS]),
            user_id=run.user_id[: limits.KEY_CHARS],
            params=tuple(
                cleaner.notes(Place.PARAM, cut(run.params, limits.PARAM_CHARS, self.report))
            ),
            tags=tuple(cleaner.notes(Place.TAG, cut(tags, limits.TAG_CHARS, self.report))),
        )

    def _begun(self, said: StockRun) -> dict[str, object]:
        tags = [*said.tags, Note(RUN_NAME, said.name)] if said.name else said.tags
        return {
            "artifacts": f"{self.home.artifacts}/{said.id}/artifacts",
            "experiment": self.home.number,
            "name": said.name,
            "project": self.home.project,
            "run": None,
            "started_ms": min(max(0, said.started_ms), limits.LATEST_MS),
            "tags": [list(note) for note in tags],
            "tracked": said.id,
            "user_id": said.user_id,
        }

    def _logged(self, tx: Transaction, said: StockRun, cleaner: Cleaner) -> None:
        """Parameters, then points a thousand at a time."""
        nothing = {"params": [], "points": "", "series": [], "tags": [], "tracked": said.id}
        append = self.act.lab.ledger.append
        if said.params:
            params = {"params": [list(note) for note in said.params]}
            append(tx, [self.act.event("tracked.logged", nothing | params)])
        self.points = 0
        for some in _batches(self.store.points(self.run), limits.POINTS_A_BATCH):
            batch = cleaner.points(some)
            (at,) = points.places(tx, [(said.id, batch)])
            body = nothing | points.body(at, batch)
            append(tx, [self.act.event("tracked.logged", body)])
            self.points += len(batch)

    def _given(self, read: Inputs, cleaner: Cleaner) -> dict[str, object]:
        datasets = cleaner.datasets(read.datasets)
        return inputs.body(
            self.run.id, self.home.number, datasets, read.models_in, read.models_out
        )


def _batches(found: Iterator[Point], size: int) -> Iterator[list[Point]]:
    while batch := list(islice(found, size)):
        yield batch

"""Log: points, parameters and tags of a run; durable when acknowledged, all or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloister.core.errors import NotFound
from cloister.core.events import Event, Transaction
from cloister.policy import Action
from cloister.runs.identified import Place
from cloister.tracking import inputs, limits, notes, points
from cloister.tracking.inputs import DatasetInput, ModelLink
from cloister.tracking.notes import RUN_NAME, Note
from cloister.tracking.points import Place as SeriesPlace
from cloister.tracking.points import Point
from cloister.workflows.lab import Act
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.recording import Pending, one, record
from cloister.workflows.tracking.runs import updated
from cloister.workflows.tracking.visit import Visit


def log(
    visit: Visit,
    run: str,
    logged: Sequence[Point] = (),
    params: Sequence[Note] = (),
    tags: Sequence[Note] = (),
) -> None:
    """Logs all of it, or nothing; a point that is there already stays one point.

    Raises NotFound, BadInput for a name or value that is refused, a deleted run, or a
    parameter that has another value.
    """
    pending(visit, run, logged, params, tags).record()


def pending(
    visit: Visit,
    run: str,
    logged: Sequence[Point] = (),
    params: Sequence[Note] = (),
    tags: Sequence[Note] = (),
) -> Pending[None]:
    """What `log` records; raises BadInput at once for what no run would take."""
    act = visit.act(Action.RUN)
    limits.check_run_id(run)
    _check(logged, params, tags)
    cleaner = Cleaner(visit)
    logged = cleaner.points(logged)
    params = cleaner.notes(Place.PARAM, params)
    tags = notes.last_of_each(cleaner.notes(Place.TAG, tags))
    return Pending(act, Logged(visit, act, run, logged, params, tags, cleaner))


@dataclass(frozen=True, slots=True)
class Logged:
    """What one request logs, checked and cleaned: a `Change`."""

    visit: Visit
    act: Act
    run: str
    points: Sequence[Point]
    params: Sequence[Note]
    tags: Sequence[Note]
    cleaner: Cleaner

    def __call__(self, tx: Transaction) -> tuple[list[Event], None]:
        """Its events; raises NotFound, BadInput."""
        seen.active_run(self.visit, tx, self.run)
        fresh = notes.unlogged(tx, self.run, self.params)
        (at,) = points.places(tx, [(self.run, self.points)])
        return self.events(at, fresh), None

    def events(self, at: Sequence[SeriesPlace], fresh: Sequence[Note] = ()) -> list[Event]:
        """What happens where its points go to ``at``, and of its parameters these are new."""
        act, run = self.act, self.run
        if not (self.points or fresh or self.tags):
            return []
        body = {
            "params": [list(note) for note in fresh],
            "points": "",
            "series": [],
            "tags": [list(note) for note in self.tags if note.name != RUN_NAME],
            "tracked": run,
        }
        if self.points:
            body |= points.body(at, self.points)
        events = one(act, "tracked.logged", body)
        for note in self.tags:
            if note.name == RUN_NAME:
                events += updated(act, run, name=note.value)
        return [*events, *self.cleaner.events(act, run)]


def _check(logged: Sequence[Point], params: Sequence[Note], tags: Sequence[Note]) -> None:
    points.check(logged)
    notes.check_params(params)
    notes.check_tags(tags)
    limits.check_count("metrics", len(logged), limits.POINTS_A_BATCH)
    limits.check_count("params", len(params), limits.TEXTS_A_BATCH)
    limits.check_count("tags", len(tags), limits.TEXTS_A_BATCH)
    everything = len(logged) + len(params) + len(tags)
    limits.check_count("metrics, params, and tags", everything, limits.POINTS_A_BATCH)


def remove_tag(visit: Visit, run: str, name: str) -> None:
    """Takes one tag off; raises NotFound, BadInput where the run is deleted."""
    act = visit.act(Action.RUN)
    name = Cleaner(visit).text(Place.TAG, name)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        seen.active_run(visit, tx, run)
        if not notes.has_tag(tx, run, name):
            raise NotFound(f"No tag of that name in run with id {run}")
        return one(act, "tracked.untagged", {"name": name, "tracked": run}), None

    record(act, change)


def log_inputs(
    visit: Visit,
    run: str,
    datasets: Sequence[DatasetInput] = (),
    models: Sequence[ModelLink] = (),
) -> None:
    """Says what the run read; raises NotFound, BadInput."""
    limits.check_run_id(run)
    inputs.check(datasets)
    _given(visit, run, datasets, models, ())


def log_outputs(visit: Visit, run: str, models: Sequence[ModelLink]) -> None:
    """Says which logged models the run made; raises NotFound, BadInput."""
    limits.check_run_id(run)
    _given(visit, run, (), (), models)


def _given(
    visit: Visit,
    run: str,
    datasets: Sequence[DatasetInput],
    models_in: Sequence[ModelLink],
    models_out: Sequence[ModelLink],
) -> None:
    act = visit.act(Action.RUN)
    limits.check_count("models", len(models_in) + len(models_out), limits.POINTS_A_BATCH)
    for link in (*models_in, *models_out):
        limits.check_text(link.model, "model_id", limits.KEY_CHARS)
    cleaner = Cleaner(visit)
    datasets = cleaner.datasets(datasets)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        found = seen.active_run(visit, tx, run)
        fresh = inputs.unlogged(tx, run, datasets)
        if not (fresh or models_in or models_out):
            return [], None
        body = inputs.body(run, found.experiment, fresh, models_in, models_out)
        return [*one(act, "tracked.given", body), *cleaner.events(act, run)], None

    record(act, change)

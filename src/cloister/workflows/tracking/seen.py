"""What a caller sees of tracking: not another project's objects, nor another fenced run's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.core.events import Transaction
from cloister.tracking import experiments, inputs, notes, points, runs
from cloister.tracking.experiments import Experiment
from cloister.tracking.inputs import Inputs
from cloister.tracking.notes import Note
from cloister.tracking.points import Latest
from cloister.tracking.runs import TrackedRun
from cloister.tracking.search.grammar import Condition
from cloister.workflows.tracking.visit import Visit

STAGES = {
    "ACTIVE_ONLY": (experiments.ACTIVE,),
    "DELETED_ONLY": (experiments.DELETED,),
    "ALL": (experiments.ACTIVE, experiments.DELETED),
}
_EVERYTHING: Condition = ("1 = 1", [])


class SeenExperiment(NamedTuple):
    """An experiment and its tags."""

    experiment: Experiment
    tags: Sequence[Note]


class SeenRun(NamedTuple):
    """A tracked run and everything that was logged of it."""

    run: TrackedRun
    metrics: Sequence[Latest]
    params: Sequence[Note]
    tags: Sequence[Note]
    inputs: Inputs | None


def experiment(visit: Visit, tx: Transaction, number: str) -> Experiment:
    """The experiment of that id; raises NotFound, for one of another project as well."""
    found = experiments.find(tx, number)
    if not _shares(visit, found):
        raise NotFound(f"No Experiment with id={found.number} exists")
    return found


def own_experiment(visit: Visit, tx: Transaction, number: str) -> Experiment:
    """The experiment, to be changed; raises NotFound, and NotAllowed inside a fence.

    A job may use the experiments of its project, and must not rename or delete what other
    runs are gathered under.
    """
    found = experiment(visit, tx, number)
    if visit.fenced is not None:
        raise NotAllowed("a fenced run does not change experiments, which others share")
    return found


def run(visit: Visit, tx: Transaction, name: str) -> TrackedRun:
    """The run of that id; raises NotFound, for one that the caller does not see as well."""
    found = runs.find(tx, name)
    if not sees(visit, tx, found):
        raise NotFound(f"Run with id={name} not found")
    return found


def active_run(visit: Visit, tx: Transaction, name: str) -> TrackedRun:
    """The run of that id, to be logged to; raises NotFound, BadInput where it is deleted."""
    found = run(visit, tx, name)
    if found.stage != experiments.ACTIVE:
        raise BadInput(
            f"The run {name} must be in the 'active' state. Current state is {found.stage}."
        )
    return found


def sees(visit: Visit, tx: Transaction, found: TrackedRun) -> bool:
    """Whether the caller sees that run."""
    if visit.fenced is not None and found.fenced != visit.fenced:
        return False
    if visit.projects is None:
        return True
    return _shares(visit, experiments.find(tx, str(found.experiment)))


def _shares(visit: Visit, found: Experiment) -> bool:
    projects = visit.projects
    return projects is None or not found.project or found.project in projects


def experiments_within(visit: Visit) -> Condition:
    """The condition on ``track_experiment e`` under which the caller sees it in a list."""
    projects = visit.projects
    sql, bound = _EVERYTHING
    if projects is not None:
        marks = ", ".join("?" * (len(projects) + 1))
        sql, bound = f"e.project IN ({marks})", ["", *sorted(projects)]
    if visit.fenced is None:
        return sql, bound
    mine = (
        "e.experiment = 0 OR EXISTS (SELECT 1 FROM track_run f"
        " WHERE f.experiment = e.experiment AND f.fenced = ?)"
    )
    return f"({sql}) AND ({mine})", [*bound, visit.fenced]


def runs_within(visit: Visit) -> Condition:
    """The condition on ``track_run r`` under which the caller sees it, its experiment seen."""
    return _EVERYTHING if visit.fenced is None else ("r.fenced = ?", [visit.fenced])


def with_tags(tx: Transaction, found: Sequence[Experiment]) -> list[SeenExperiment]:
    """These experiments with their tags."""
    tags = experiments.tags(tx, [one.number for one in found])
    return [SeenExperiment(one, tags[one.number]) for one in found]


def with_everything(tx: Transaction, found: Sequence[TrackedRun]) -> list[SeenRun]:
    """These runs, in their order, with all that was logged of them: a few queries for all."""
    names = [one.run for one in found]
    metrics: dict[str, list[Latest]] = {name: [] for name in names}
    params: dict[str, list[Note]] = {name: [] for name in names}
    tags: dict[str, list[Note]] = {name: [] for name in names}
    for latest in points.latest(tx, names):
        metrics[latest.run].append(latest)
    for name, key, value in notes.params(tx, names):
        params[name].append(Note(key, value))
    for name, key, value in notes.tags(tx, names):
        tags[name].append(Note(key, value))
    given = inputs.of_runs(tx, names)
    return [
        SeenRun(one, metrics[one.run], params[one.run], tags[one.run], given.get(one.run))
        for one in found
    ]

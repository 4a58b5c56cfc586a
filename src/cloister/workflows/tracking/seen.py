"""What a caller sees of tracking: not another project's objects, nor another fenced run's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cloister.core.errors import BadInput, CloisterError, NotAllowed, NotFound
from cloister.core.events import Transaction
from cloister.identity.projects import SHARED
from cloister.policy import Action, Resource
from cloister.tracking import experiments, inputs, limits, notes, points, runs
from cloister.tracking.experiments import Experiment
from cloister.tracking.inputs import Inputs
from cloister.tracking.notes import Note
from cloister.tracking.points import Latest
from cloister.tracking.runs import TrackedRun
from cloister.tracking.search.grammar import Condition
from cloister.workflows.tracking import marks as marking
from cloister.workflows.tracking.marks import Marks
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
    params: Sequence[tuple[str, str]]
    tags: Sequence[tuple[str, str]]
    inputs: Inputs | None
    marks: Marks = Marks()


def experiment(
    visit: Visit, tx: Transaction, number: str, action: Action = Action.LIST
) -> Experiment:
    """The experiment of that id; raises NotFound, for one of another project as well."""
    asked = limits.experiment_number(number or str(experiments.DEFAULT))
    found = experiments.find(tx, own_default(visit, tx, asked))
    if not within(visit, found.project):
        raise NotFound(f"No Experiment with id={asked} exists")
    visit.lab.act(action, Resource("experiment", str(found.number), found.project), tx)
    return found


def own_default(visit: Visit, tx: Transaction, number: int) -> int:
    """The number itself; for that of the default one, which every client knows, the default of
    the caller's project where they do not see what everybody shares."""
    if number != experiments.DEFAULT or within(visit, SHARED):
        return number
    named = experiments.named(tx, experiments.DEFAULT_NAME)
    return next((one.number for one in named if one.project == visit.project), number)


def own_experiment(visit: Visit, tx: Transaction, number: str) -> Experiment:
    """The experiment, to be changed; raises NotFound, and NotAllowed inside a fence.

    A job may use and tag the experiments of its project, and must not rename or delete what
    other runs are gathered under.
    """
    found = experiment(visit, tx, number, Action.RUN)
    if visit.fenced is not None:
        raise NotAllowed("a fenced run does not change experiments, which others share")
    return found


def run(visit: Visit, tx: Transaction, name: str, action: Action = Action.LIST) -> TrackedRun:
    """The run of that id; raises NotFound, for one that the caller does not see as well."""
    found = runs.find(tx, name)
    if not sees(visit, found):
        raise runs.missing(name)
    visit.lab.act(action, _resource(found), tx)
    return found


def _resource(found: TrackedRun) -> Resource:
    return Resource("experiment", str(found.experiment), found.project)


def active_run(visit: Visit, tx: Transaction, name: str) -> TrackedRun:
    """The run of that id, to be logged to; raises NotFound, BadInput where it is deleted."""
    (found,) = active_runs(tx, [(visit, name)])
    if isinstance(found, CloisterError):
        raise found
    return found


def active_runs(
    tx: Transaction, asked: Sequence[tuple[Visit, str]]
) -> list[TrackedRun | CloisterError]:
    """Runs to be logged to, each as its caller sees it, or what is raised of it.

    Policy is asked once for those who want the same.
    """
    known = {one.run: one for one in runs.of_ids(tx, list({name for _, name in asked}))}
    allowed: set[tuple[int, int, str]] = set()

    def active(visit: Visit, name: str) -> TrackedRun:
        found = known.get(name)
        if found is None or not sees(visit, found):
            raise runs.missing(name)
        if (on := (id(visit), found.experiment, found.project)) not in allowed:
            visit.lab.act(Action.RUN, _resource(found), tx)
            allowed.add(on)
        if found.stage != experiments.ACTIVE:
            raise BadInput(
                f"The run {name} must be in the 'active' state. Current state is {found.stage}."
            )
        return found

    def tried(visit: Visit, name: str) -> TrackedRun | CloisterError:
        try:
            return active(visit, name)
        except CloisterError as error:
            return error

    return [tried(visit, name) for visit, name in asked]


def sees(visit: Visit, found: TrackedRun) -> bool:
    """Whether the caller sees that run."""
    return within(visit, found.project) and visit.fenced in {None, found.fenced}


def shares(visit: Visit, tx: Transaction, found: Experiment) -> bool:
    """Whether the caller sees that experiment."""
    on = Resource("experiment", str(found.number), found.project)
    return within(visit, found.project) and visit.lab.may(Action.LIST, on, tx)


def within(visit: Visit, project: str) -> bool:
    """Whether the caller sees objects of that project."""
    return visit.projects is None or project in visit.projects


def visible(visit: Visit, tx: Transaction, numbers: Sequence[int]) -> list[int]:
    """Those experiments that the caller sees; of the others nothing is said."""
    asked = [own_default(visit, tx, number) for number in dict.fromkeys(numbers)]
    return [one.number for one in experiments.of_numbers(tx, asked) if shares(visit, tx, one)]


def experiments_within(visit: Visit) -> Condition:
    """The condition on ``track_experiment e`` under which the caller sees it in a list."""
    projects = visit.projects
    sql, bound = _EVERYTHING
    if projects is not None:
        marks = ", ".join("?" * len(projects)) or "NULL"
        sql, bound = f"e.project IN ({marks})", [*sorted(projects)]
    if visit.fenced is None:
        return sql, bound
    mine = (
        "e.name = 'Default' OR EXISTS (SELECT 1 FROM track_run f"
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
    params: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    tags: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for latest in points.latest(tx, names):
        metrics[latest.run].append(latest)
    for name, key, value in notes.params(tx, names):
        params[name].append((key, value))
    for name, key, value in notes.tags(tx, names):
        tags[name].append((key, value))
    given = inputs.of_runs(tx, names)
    marks = marking.of_fenced(tx, (one.fenced for one in found))
    return [
        SeenRun(
            *(one, metrics[one.run], params[one.run], tags[one.run], given.get(one.run)),
            marks[one.fenced],
        )
        for one in found
    ]

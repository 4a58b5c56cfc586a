"""What an actor sees: datasets, runs and records of their projects, and nothing else.

Another project's object is not there: names, lists and beginnings of names pass over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.core.events import Event, Transaction
from cloister.datasets import classes, records, versions
from cloister.datasets.records import Record
from cloister.datasets.versions import Dataset, DatasetVersion
from cloister.identity import projects
from cloister.identity.projects import SHARED
from cloister.policy import Action, Resource
from cloister.runs import history
from cloister.runs.history import Run
from cloister.workflows import _classes
from cloister.workflows.lab import Act, Lab

DATASET, RUN = "dataset", "run"


def version(
    lab: Lab, tx: Transaction, reference: str, action: Action = Action.LIST
) -> DatasetVersion:
    """The version ``reference`` means, to ``action`` it; raises NotFound, NotAllowed."""
    found = versions.resolve(tx, reference, _seen(lab, tx, DATASET))
    _ask(lab, tx, action, DATASET, found.dataset)
    return found


def dataset(lab: Lab, tx: Transaction, name: str, action: Action | None = None) -> str:
    """The name itself, of a dataset that is there and seen; raises NotFound, NotAllowed."""
    found = versions.check_known(tx, name, _seen(lab, tx, DATASET))
    if action is not None:
        _ask(lab, tx, action, DATASET, found)
    return found


def datasets(lab: Lab, tx: Transaction) -> list[Dataset]:
    """All datasets that are seen."""
    seen = _seen(lab, tx, DATASET)
    return [one for one in versions.datasets(tx) if seen is None or seen(one.name)]


def run(lab: Lab, tx: Transaction, name: str, action: Action = Action.LIST) -> Run:
    """The run ``name`` means, to ``action`` it; raises NotFound, NotAllowed."""
    found = history.find(tx, name, _seen(lab, tx, RUN))
    _ask(lab, tx, action, RUN, found.run)
    return found


def runs(lab: Lab, tx: Transaction) -> list[Run]:
    """All runs that are seen, oldest first."""
    seen = _seen(lab, tx, RUN)
    return [one for one in history.everything(tx) if seen is None or seen(one.run)]


def sees(lab: Lab, tx: Transaction, run: str) -> bool:
    """Whether a run of that name, begun or not yet, is the actor's to see."""
    within = lab.actor.projects
    return within is None or projects.of_object(tx, RUN, run) in within


def record(lab: Lab, tx: Transaction, name: str, action: Action = Action.LIST) -> Record:
    """The record ``name`` means, to ``action`` it; raises NotFound, NotAllowed."""
    seen = _seen(lab, tx, DATASET)
    found = records.find(tx, name)
    if seen is not None and not seen(found.dataset):
        raise NotFound(f"no record begins with {name}", hint="see `cloister ls --records`")
    _ask(lab, tx, action, DATASET, found.dataset)
    return found


def seeing(lab: Lab, tx: Transaction, kind: str) -> Callable[[str], bool]:
    """Whether an object of that kind and name is seen."""
    return _seen(lab, tx, kind) or (lambda _: True)


def own_project(lab: Lab) -> str:
    """Where what the actor makes belongs: what everybody shares, or the one project they see.

    Raises BadInput where that could be several, NotAllowed for a member of none.
    """
    seen = lab.actor.projects
    if seen is None or SHARED in seen:
        return SHARED
    if not seen:
        raise NotAllowed("a member of no project cannot make anything")
    if len(seen) > 1:
        raise BadInput("you are a member of several projects", hint="say which: --project NAME")
    return next(iter(seen))


def project_of(lab: Lab, tx: Transaction, given: Iterable[str]) -> str:
    """Where a run belongs that is given these datasets: where they do.

    Raises BadInput for data of two projects, which would carry the one's into the other.
    """
    found = {projects.of_object(tx, DATASET, name) for name in given}
    if len(found) > 1:
        raise BadInput("the data of this run belong to several projects")
    return found.pop() if found else own_project(lab)


def placed(act: Act, kind: str, name: str, project: str) -> Iterator[Event]:
    """The event that puts a new object into its project; none for what everybody shares."""
    if project != SHARED:
        yield act.event("object.placed", {"kind": kind, "name": name, "project": project})


def resource(tx: Transaction, kind: str, name: str) -> Resource:
    """What policy is asked about."""
    its = classes.of_dataset(tx, name) if kind == DATASET else _classes.of_run(tx, name)
    return Resource(kind, name, projects.of_object(tx, kind, name), its)


def _ask(lab: Lab, tx: Transaction, action: Action, kind: str, name: str) -> None:
    lab.act(action, resource(tx, kind, name))


def _seen(lab: Lab, tx: Transaction, kind: str) -> Callable[[str], bool] | None:
    within = lab.actor.projects
    if within is None:
        return None
    placed_in = projects.of_objects(tx, kind)
    return lambda name: placed_in.get(name, SHARED) in within

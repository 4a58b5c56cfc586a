"""Holders: what artifacts belong to, as the caller sees it."""

from __future__ import annotations

from typing import NamedTuple

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.policy import Action, Resource
from cloister.tracking import experiments, logged_models, runs, traces
from cloister.tracking.experiments import ACTIVE
from cloister.tracking.logged_models import LoggedModel
from cloister.tracking.search.grammar import Condition
from cloister.tracking.traces import Trace
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.visit import Visit

_NOTHING = "No artifacts are kept at this address"


class Holder(NamedTuple):
    """A tracked run, a logged model or a trace that artifacts belong to."""

    name: str
    experiment: int
    project: str
    deleted: bool
    """Or its run, or its experiment."""

    @property
    def resource(self) -> Resource:
        """What policy is asked about."""
        return Resource("experiment", str(self.experiment), self.project)


def active(
    visit: Visit, tx: Transaction, name: str, experiment: str, action: Action = Action.RUN
) -> Holder:
    """The holder of that id; raises NotFound where there is none, or it is deleted.

    What is deleted gives nothing out: its artifacts are there again once it is restored.
    """
    found = any_of(visit, tx, name, experiment, action)
    if found.deleted:
        raise NotFound(_NOTHING)
    return found


def any_of(
    visit: Visit, tx: Transaction, name: str, experiment: str, action: Action = Action.RUN
) -> Holder:
    """The holder of that id, deleted or not, for what brings everything in or out; raises
    NotFound where there is none."""
    found = _holder(visit, tx, name, action)
    if str(found.experiment) != experiment:
        raise NotFound(_NOTHING)
    return found


def _holder(visit: Visit, tx: Transaction, name: str, action: Action) -> Holder:
    if name.startswith("m-"):
        found = model(visit, tx, name, action)
        gone = not _is_there(tx, found)
        return Holder(found.model, found.experiment, found.project, gone)
    if traces.is_id(name):
        call = trace(visit, tx, name, action, deleted=True)
        gone = _is_gone(tx, call.experiment)
        return Holder(call.trace, call.experiment, call.project, gone)
    run = seen.run(visit, tx, name, action)
    return Holder(run.run, run.experiment, run.project, run.stage != ACTIVE)


def _is_gone(tx: Transaction, experiment: int) -> bool:
    return experiments.find(tx, experiment).stage != ACTIVE


def _is_there(tx: Transaction, found: LoggedModel) -> bool:
    """Whether neither it nor its run is deleted."""
    made_by = runs.of_ids(tx, [found.source_run]) if found.source_run else []
    gone = any(run.stage != ACTIVE for run in made_by) or bool(found.source_run and not made_by)
    return found.stage == ACTIVE and not gone


def model(visit: Visit, tx: Transaction, name: str, action: Action = Action.RUN) -> LoggedModel:
    """The logged model of that id, deleted or not; raises NotFound, as for one that the
    caller does not see."""
    found = logged_models.find(tx, name)
    if visit.fenced not in {None, found.fenced} or not seen.within(visit, found.project):
        raise NotFound(f"Logged model with ID '{name}' not found.")
    visit.lab.act(action, Resource("experiment", str(found.experiment), found.project), tx)
    return found


def active_model(
    visit: Visit, tx: Transaction, name: str, action: Action = Action.RUN
) -> LoggedModel:
    """One that is not deleted, and whose run is not; raises NotFound."""
    found = model(visit, tx, name, action)
    if not _is_there(tx, found):
        raise NotFound(f"Logged model with ID '{name}' not found.")
    return found


def trace(
    visit: Visit,
    tx: Transaction,
    name: str,
    action: Action = Action.RUN,
    *,
    deleted: bool = False,
) -> Trace:
    """The trace of that id; raises NotFound, as for one that the caller does not see, or,
    unless ``deleted``, whose experiment is deleted."""
    found = traces.find(tx, name)
    if visit.fenced not in {None, found.fenced} or not seen.within(visit, found.project):
        raise traces.missing(name)
    if not deleted and _is_gone(tx, found.experiment):
        raise traces.missing(name)
    visit.lab.act(action, Resource("experiment", str(found.experiment), found.project), tx)
    return found


def traces_within(visit: Visit) -> Condition:
    """The condition on ``track_trace t`` under which the caller finds it in a list."""
    there = (
        "EXISTS (SELECT 1 FROM track_experiment e WHERE e.experiment = t.experiment"
        " AND e.stage = 'active')"
    )
    if visit.fenced is None:
        return there, []
    return f"({there}) AND t.fenced = ?", [visit.fenced]


def models_within(visit: Visit) -> Condition:
    """The condition on ``track_model m`` under which the caller finds it in a list."""
    there = (
        "m.source_run = '' OR EXISTS (SELECT 1 FROM track_run r WHERE r.run = m.source_run"
        " AND r.stage = 'active')"
    )
    if visit.fenced is None:
        return there, []
    return f"({there}) AND m.fenced = ?", [visit.fenced]

"""Assessments of traces, as clients make, change and delete them; sealed with their trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cloister.core.errors import BadInput, Conflict
from cloister.core.events import Event, Transaction
from cloister.policy import Action
from cloister.tracking import artifacts, assessments
from cloister.tracking.artifacts import Place as Spot
from cloister.tracking.assessments import Assessment, holder_of
from cloister.tracking.traces import Trace
from cloister.workflows.lab import Act
from cloister.workflows.tracking import holders, trace_reading
from cloister.workflows.tracking.artifacts import removals
from cloister.workflows.tracking.assessing import ready
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.recording import now_ms, record
from cloister.workflows.tracking.visit import Visit


@dataclass(frozen=True, slots=True)
class Changed:
    """What is said anew; None: as before."""

    kind: str | None = None
    """Of what ``value`` and ``error`` are."""
    value: Any = field(default=None, repr=False)
    error: Mapping[str, str] | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    rationale: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Beside what was there."""


def read(visit: Visit, said: Mapping[str, Any]) -> Assessment:
    """One that a client makes, from MLflow's JSON; with an id and a time of ours where it says
    none. Raises BadInput."""
    name = f"a-{visit.lab.randomness(16).hex()}"
    return assessments.read(said, name, now_ms(visit.lab))


def get(visit: Visit, trace: str, name: str) -> tuple[Assessment, bool]:
    """The one of that id, and whether it is valid: no other overrides it; the reading is on
    record. Raises NotFound, NotAllowed as for the trace, Erased."""
    assessments.check_id(name)
    found = trace_reading.assessed(visit, trace)
    for one in found:
        if one.id == name:
            return one, all(other.overrides != name for other in found)
    raise assessments.missing(name, trace)


def create(visit: Visit, trace: str, new: Assessment) -> Assessment:
    """As it is kept, without ids of patients, on record when this returns.

    Under the key of what its trace is under: who erases that erases this. Raises NotFound for a
    trace, or one to override, that is not there, BadInput for too many.
    """
    act = visit.act(Action.RUN)
    found = visit.lab.read(lambda tx: holders.trace(visit, tx, trace))
    return _keep(visit, act, found, new)


def change(visit: Visit, trace: str, name: str, said: Changed) -> tuple[Assessment, bool]:
    """As it is now, and whether it is valid. Raises as `get` and `create`; of two that change
    one at once the later holds."""
    act = visit.act(Action.RUN)
    found = visit.lab.read(lambda tx: holders.trace(visit, tx, trace))
    before, valid = get(visit, trace, name)
    if said.kind not in {None, before.kind}:
        raise BadInput(f"Cannot update {said.kind} value: this assessment is {before.kind}.")
    now = replace(
        before,
        name=before.name if said.name is None else said.name,
        rationale=before.rationale if said.rationale is None else said.rationale,
        metadata={**before.metadata, **said.metadata},
        updated_ms=max(now_ms(visit.lab), before.created_ms),
    )
    if said.kind is not None:
        now = replace(now, value=said.value, error=said.error)
    assessments.check(now)
    return _keep(visit, act, found, now, is_new=False), valid


def remove(visit: Visit, trace: str, name: str) -> None:
    """It is gone; one that it overrode is valid again. Nothing happens where it is not there.

    Raises NotFound for a trace that is not there.
    """
    assessments.check_id(name)
    act = visit.act(Action.RUN)

    def gone(tx: Transaction) -> tuple[list[Event], None]:
        holders.trace(visit, tx, trace)
        return removals(act, tx, holder_of(trace), name), None

    record(act, gone)


def _keep(
    visit: Visit, act: Act, trace: Trace, one: Assessment, *, is_new: bool = True
) -> Assessment:
    cleaner = Cleaner(visit)
    spot = Spot(holder_of(trace.trace), one.id, trace.experiment, trace.fenced)
    made = ready(visit, cleaner, spot, one)
    needed = one.overrides if is_new else one.id

    def change(tx: Transaction) -> tuple[list[Event], None]:
        found = holders.trace(visit, tx, trace.trace)
        if is_new and artifacts.at(tx, holder_of(found.trace), one.id) is not None:
            raise Conflict("the trace has an assessment of this id")
        if needed and artifacts.at(tx, holder_of(found.trace), needed) is None:
            raise assessments.missing(needed, found.trace)
        named = found.source_run or found.fenced or found.trace
        return [*made.events(act, tx), *cleaner.events(act, named)], None

    record(act, change)
    return made.one

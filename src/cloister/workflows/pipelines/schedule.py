"""Schedules: pipelines that start at their times, or when what they wait for is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from cloister.core.clock import timestamp
from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.pipelines import scheduled
from cloister.pipelines.plan import parse
from cloister.pipelines.scheduled import Schedule
from cloister.pipelines.triggers import Trigger
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
from cloister.workflows.leases.holding import orphaned
from cloister.workflows.people.members import as_member
from cloister.workflows.pipelines import _assets
from cloister.workflows.pipelines._kept import PLAN, kept_by, to_keep
from cloister.workflows.pipelines._reading import opened, read
from cloister.workflows.pipelines._turn import worker_turn
from cloister.workflows.pipelines.run import FlowReport, FlowRequest, Tell, run_flow
from cloister.workflows.runs._job import Output

DUE = "due"
"""The parameter that gets the time for which a pipeline runs, where it has one of that name."""
_MOST_BACK = 10_000
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A schedule, and when it is next due."""

    schedule: Schedule
    times: tuple[tuple[datetime, str], ...]
    """The next times, each with its trigger; none for one that waits for assets alone."""


@dataclass(frozen=True, slots=True)
class Due:
    """A reason to run a pipeline now."""

    schedule: Schedule
    reason: str
    due: datetime | None


Looked = _assets.Looked


def schedule(lab: Lab, request: FlowRequest, tell: Tell) -> Schedule:
    """From now on the pipeline starts by itself, as its ``on=`` says; on record on return.

    The file is read, in the fence, to learn what it waits for. Raises BadInput where it waits
    for nothing.
    """
    act = lab.act(Action.RUN)
    turn = worker_turn(lab, request.file, request.slots)
    with opened(act, request, turn, tell) as (session, _):
        packed, plan = read(session, request)
        if not plan.triggers:
            raise BadInput(
                f"{plan.name} waits for nothing",
                hint="with cl.pipeline(NAME, on=cl.cron('0 3 * * *', zone='Europe/Berlin')):",
            )
        session.keep(PLAN, to_keep(request, packed, {}))
        body = {
            "misfire": plan.misfire,
            "pipeline": plan.name,
            "run": session.run,
            "triggers": [one.plain() for one in plan.triggers],
        }
        session.record([act.event("pipeline.scheduled", body)])
    return lab.read(lambda tx: scheduled.find(tx, plan.name))


def unschedule(lab: Lab, pipeline: str) -> None:
    """It starts no more by itself; raises NotFound."""
    act, found = lab.act(Action.RUN), find(lab, pipeline)
    act.record([act.event("pipeline.unscheduled", {"pipeline": found.pipeline})])


def pause(lab: Lab, pipeline: str) -> Schedule:
    """It starts nothing until ``unpause``; raises NotFound.

    What becomes due meanwhile is treated as if nobody had been up: its ``misfire`` says how.
    """
    return _held(lab, pipeline, held=True)


def unpause(lab: Lab, pipeline: str) -> Schedule:
    """It starts by itself again; raises NotFound."""
    return _held(lab, pipeline, held=False)


def _held(lab: Lab, pipeline: str, *, held: bool) -> Schedule:
    act, found = lab.act(Action.RUN), find(lab, pipeline)
    if held is (found.paused is None):
        kind = "pipeline.paused" if held else "pipeline.unpaused"
        act.record([act.event(kind, {"pipeline": found.pipeline})])
    return find(lab, pipeline)


def find(lab: Lab, pipeline: str) -> Schedule:
    """Whose pipeline the actor may run; raises NotFound."""
    lab.act(Action.RUN)
    found = lab.read(lambda tx: scheduled.find(tx, pipeline))
    lab.read(lambda tx: _seen.run(lab, tx, found.run, Action.RUN))
    return found


def schedules(lab: Lab) -> list[Upcoming]:
    """All that the actor may see, with their next times."""
    now = lab.clock.now()
    return [Upcoming(one, _next(one, now)) for one in _schedules(lab)]


def _schedules(lab: Lab) -> list[Schedule]:
    lab.act(Action.LIST)

    def query(tx: Transaction) -> list[Schedule]:
        seen = {one.run for one in _seen.runs(lab, tx)}
        return [one for one in scheduled.everything(tx) if one.run in seen]

    return lab.read(query)


def due(lab: Lab, looked: Looked) -> dict[str, tuple[str, ...]]:
    """The pipelines that are due now and that nobody begins yet, as far as the actor sees
    them, and for which times or assets; ``looked`` is kept from one time to the next."""
    lab.act(Action.RUN)
    found: dict[str, tuple[str, ...]] = {}
    for one in _due(lab, looked):
        said = one.reason if one.due is None else one.due.isoformat()
        found[one.schedule.pipeline] = (*found.get(one.schedule.pipeline, ()), said)
    return {name: reasons for name, reasons in found.items() if not _is_begun(lab, name)}


def _is_begun(lab: Lab, pipeline: str) -> bool:
    with orphaned(lab, f"due-{pipeline}") as nobody:
        return not nobody


def begin_due(
    lab: Lab, pipeline: str, environment: Mapping[str, str], tell: Tell, output: Output
) -> list[FlowReport]:
    """Runs a pipeline for all that it is due for, as whoever scheduled it, in their role of
    today; the earlier first.

    Raises Conflict while another process is at it, so it is never begun twice for one time;
    NotAllowed once they left, and what ``run_flow`` raises.
    """
    reports = []
    with lab.alone(f"due-{pipeline}"):
        for one in [each for each in _due(lab, {}) if each.schedule.pipeline == pipeline]:
            theirs = as_member(lab, one.schedule.actor, f"schedule:{pipeline}")
            request = scheduled_request(theirs, one.schedule, environment, one.due)
            request = replace(request, reason=one.reason)
            reports.append(run_flow(theirs, request, tell, output))
    return reports


def backfill(
    lab: Lab,
    pipeline: str,
    span: tuple[datetime, datetime],
    environment: Mapping[str, str],
    tell: Tell,
    output: Output,
) -> Iterator[FlowReport]:
    """Runs a scheduled pipeline for each of its times in ``span``, the earlier first.

    Raises NotFound, and BadInput where it has no times, none or more than 10,000 in the span.
    """
    lab.act(Action.RUN)
    found = lab.read(lambda tx: scheduled.find(tx, pipeline))
    due = times(found.triggers, *span)
    if not due:
        first, last = (timestamp(one) for one in span)
        raise BadInput(f"{pipeline} has no time between {first} and {last}, in UTC")
    for time in due:
        request = scheduled_request(lab, found, environment, time)
        report = run_flow(lab, replace(request, reason="backfill"), tell, output)
        yield replace(report, due=request.due)


def times(triggers: Sequence[Trigger], first: datetime, last: datetime) -> list[datetime]:
    """The times of all ``triggers`` from ``first`` to ``last``, both included."""
    clocks = [one for one in triggers if one.kind != "asset"]
    if not clocks:
        raise BadInput("it waits for assets alone: there are no times to run it for")
    found: set[datetime] = set()
    for one in clocks:
        for time in islice(one.times(first - timedelta(seconds=1)), _MOST_BACK + 1):
            if time > last:
                break
            found.add(time)
    if len(found) > _MOST_BACK:
        raise BadInput(f"more than {_MOST_BACK:,} times lie between them")
    return sorted(found)


def run_now(
    lab: Lab, pipeline: str, environment: Mapping[str, str], tell: Tell, output: Output
) -> FlowReport:
    """Runs a scheduled pipeline for no time, as its schedule does; raises NotFound."""
    request = scheduled_request(lab, find(lab, pipeline), environment, None)
    return run_flow(lab, request, tell, output)


def scheduled_request(
    lab: Lab, one: Schedule, environment: Mapping[str, str], due: datetime | None
) -> FlowRequest:
    """What a schedule asks for; for ``due``, where it is due."""
    kept = kept_by(lab, one.run)
    request = replace(kept.request, environment=environment)
    if due is None:
        return request
    names = [parameter["name"] for parameter in parse(kept.plan).parameters]
    chosen: dict[str, Any] = dict(request.chosen)
    if DUE in names:
        chosen[DUE] = due.isoformat()
    return replace(request, chosen=chosen, due=timestamp(due))


def _next(one: Schedule, now: datetime) -> tuple[tuple[datetime, str], ...]:
    times = [
        [(time, str(each)) for time in islice(each.times(now), _SHOWN)] for each in one.triggers
    ]
    return tuple(islice(merge(*times), _SHOWN))


def _due(lab: Lab, looked: Looked) -> Iterator[Due]:
    now = lab.clock.now()
    for one in _schedules(lab):
        if one.paused is not None:
            continue
        last, begun = lab.read(lambda tx, name=one.pipeline: _last(tx, name))  # type: ignore[misc]
        since, mark = max(one.since, last), max(one.place, begun)
        for trigger in one.triggers:
            if trigger.kind == "asset":
                if _assets.made_since(lab, one, trigger.what, mark, looked):
                    yield Due(one, trigger.what, None)
                    break
            else:
                for time in trigger.due(datetime.fromisoformat(since), now, one.misfire):
                    yield Due(one, str(trigger), time)


def _last(tx: Transaction, pipeline: str) -> tuple[str, int]:
    """The latest time for which it has begun, and where the ledger has its last beginning."""
    return scheduled.last_due(tx, pipeline) or "", scheduled.last_begun(tx, pipeline)

"""Look: which pipelines ran, what became of their steps, and why a step ran."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.keys.seal import open_field
from cloister.pipelines import history
from cloister.pipelines.history import Attempt, Flow, Reused
from cloister.pipelines.job import Job
from cloister.pipelines.plan import Plan, parse
from cloister.pipelines.standing import Stand
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
from cloister.workflows.pipelines._kept import kept_by
from cloister.workflows.pipelines.stood import record_of
from cloister.workflows.unseal import open_keys

_CHANGED = "ran: something changed"
_UNCHANGED = "did not run: nothing that it depends on changed"
_WHY_NOT = {
    Stand.BLOCKED: "did not run: what it waits for failed",
    Stand.LEFT_OUT: "did not run: a condition left it out",
}
_NOT_YET = "did not run: it had not begun when the run was last at work"
_UNUSED = "ran: nothing changed, but its earlier result was not asked for, or not to be used"


@dataclass(frozen=True, slots=True)
class StepRow:
    """A call, and what became of it."""

    step: str
    state: str
    tries: int
    took_s: str | None
    run: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One run of a pipeline."""

    flow: Flow
    waits: str | None
    """What it waits for, where it does."""
    parameters: Sequence[Mapping[str, Any]]
    steps: Sequence[StepRow]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a step ran, or did not."""

    step: str
    verdict: str
    changes: tuple[str, ...]
    run: str | None
    before: str | None


def flows(lab: Lab) -> list[Flow]:
    """Every run of a pipeline whose worker the actor may see, newest first."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> list[Flow]:
        seen = {one.run for one in _seen.runs(lab, tx)}
        return [one for one in history.everything(tx) if one.plan_run in seen]

    return lab.read(query)[::-1]


def find(lab: Lab, name: str, action: Action = Action.LIST) -> Flow:
    """By id, pipeline's name or ``last``, to ``action`` it; raises NotFound for what the actor
    may not see."""
    found = lab.read(lambda tx: history.find(tx, name))
    lab.read(lambda tx: _seen.run(lab, tx, found.plan_run, action))
    return found


def waits(lab: Lab, flow: Flow) -> str | None:
    """What it waits for, where it does."""
    if flow.waiting is None:
        return None
    line = [one.flow for one in lab.read(lambda tx: history.line(tx, flow.pipeline))]
    before = line.index(flow.flow) if flow.flow in line else 0
    said = f"{flow.most} of it at a time"
    return f"{said}, and {before} before it in line" if before else said


def plan_of(lab: Lab, flow: Flow) -> Plan:
    """The plan that it follows; raises Erased."""
    return planned(lab, flow.plan_run)


def planned(lab: Lab, run: RunId) -> Plan:
    """The plan that a worker read, or a schedule keeps; raises Erased."""
    return parse(kept_by(lab, run).plan)


def show(lab: Lab, name: str) -> Shown:
    """The steps of one run of a pipeline; raises NotFound, Erased."""
    flow = find(lab, name)
    plan = plan_of(lab, flow)
    record = lab.read(lambda tx: record_of(tx, flow, plan))
    last: dict[Job, StepRow] = {}
    for used in record.reused:
        name = used.job.named(plan.steps[used.step].name)
        last[used.job] = StepRow(name, "reused", 0, None, used.run)
    for one in record.attempts:
        state = "done" if one.state == "finished" else one.state
        name = one.job.named(plan.steps[one.step].name)
        last[one.job] = StepRow(name, state, one.tried + 1, _took(one), one.run)
    begun = {job.step for job in last}
    for step in plan.steps:
        if step.number not in begun:
            stand = record.stands[step.number]
            last[Job(step.number)] = StepRow(step.name, stand, 0, None, None)
    return Shown(flow, waits(lab, flow), plan.parameters, [last[job] for job in sorted(last)])


def why(lab: Lab, step: str, name: str) -> Why:
    """What made ``step`` run in that run of a pipeline; raises NotFound, Erased."""
    lab.act(Action.READ)
    flow = find(lab, name)
    plan = plan_of(lab, flow)
    called, part = _part(step)
    numbers = [one.number for one in plan.steps if one.name == called]
    if not numbers:
        names = ", ".join(one.name for one in plan.steps[:20])
        raise NotFound(f"{flow.pipeline} has no step {step}", hint=f"it has {names}")
    record = lab.read(lambda tx: record_of(tx, flow, plan))
    number = numbers[0]

    def meant(call: Attempt | Reused) -> bool:
        return call.step == number and part in {None, call.part}

    mine = [one for one in record.attempts if meant(one)]
    if not mine:
        used = [one.run for one in record.reused if meant(one)]
        verdict = _UNCHANGED if used else _WHY_NOT.get(record.stands[number], _NOT_YET)
        return Why(step, verdict, (), None, used[0] if used else None)
    return _compared(lab, flow, step, mine[-1], cached=plan.task_of(number).settings.cache)


def _part(step: str) -> tuple[str, int | None]:
    """The step's name, and which of its calls: ``clean[2]``."""
    name, bracket, rest = step.partition("[")
    if bracket and rest[:-1].isdigit() and rest.endswith("]"):
        return name, int(rest[:-1])
    return step, None


def _compared(lab: Lab, flow: Flow, step: str, mine: Attempt, *, cached: bool | str) -> Why:
    now = _detail(lab, mine)
    if cached is False:
        return Why(step, "ran: it said cache=False", (), mine.run, None)
    for earlier in lab.read(lambda tx: history.of_pipeline(tx, flow.pipeline)):
        if earlier.begun >= flow.begun:
            continue
        made = lab.read(lambda tx, e=earlier: history.attempts(tx, e.flow))  # type: ignore[misc]
        for one in reversed(made):
            if one.part != mine.part:
                continue  # another item of the list: of course it is another
            before = _detail(lab, one) if one.state == "finished" else {}
            if before.get("step") == now.get("step"):
                changes = tuple(_changes(before, now))
                verdict = _CHANGED if changes else _UNUSED
                return Why(step, verdict, changes, mine.run, one.run)
    return Why(step, "ran: it never ended well before in this pipeline", (), mine.run, None)


def _detail(lab: Lab, attempt: Attempt) -> Mapping[str, Any]:
    keys = open_keys(lab, [attempt.key])
    if attempt.seal not in keys:
        return {}
    plain = open_field(keys[attempt.seal], history.DETAIL, attempt.detail, attempt.run.encode())
    found: dict[str, Any] = json.loads(plain)
    return found


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if before["code"] != now["code"]:
        yield "its code, or that of a function it calls, changed"
    old, new = before["arguments"], now["arguments"]
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            word = "is new" if name not in old else "is gone" if name not in new else "changed"
            yield f"the argument {name} {word}"
    if before["data"] != now["data"]:
        was, given = (
            "; ".join(one.partition("#")[0].rstrip(":") for one in each["data"])
            for each in (before, now)
        )
        yield f"the data changed: {was or 'none'} -> {given or 'none'}"
    if before["environment"] != now["environment"]:
        yield "the environment changed: interpreter or installed packages"
    if before["declared"] != now["declared"]:
        yield "what it declares with cache= changed"
    if before.get("item") != now.get("item"):
        yield "its item of the list changed"


def _took(one: Attempt) -> str | None:
    if one.finished is None:
        return None
    took = datetime.fromisoformat(one.finished) - datetime.fromisoformat(one.started)
    return f"{took.total_seconds():.1f}"

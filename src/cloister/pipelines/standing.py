"""How each step of a run stands, read from the record alone: nobody has to be at it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from cloister.pipelines.history import Attempt
from cloister.pipelines.job import WHOLE, Job
from cloister.pipelines.plan import Plan, Step
from cloister.pipelines.progress import Progress, State


class Stand(StrEnum):
    """What a page says of a step."""

    DONE = "done"
    REUSED = "reused"
    """None of its calls was made: all used an earlier result again."""
    RUNNING = "running"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"
    BLOCKED = "blocked"
    LEFT_OUT = "left out"
    WAITING = "waiting"
    NOT_BEGUN = "not begun"


_CUT_OFF = {"interrupted", "stopped"}
_SETTLED = {
    State.LEFT_OUT: Stand.LEFT_OUT,
    State.BLOCKED: Stand.BLOCKED,
    State.FAILED: Stand.FAILED,
}


def standings(
    plan: Plan,
    last: Mapping[Job, Attempt],
    taken: Mapping[Job, bool],
    flow: str,
) -> list[Stand]:
    """The stand of each step of ``plan``, whose run stands as ``flow`` says.

    ``last`` is the last attempt of each call, ``taken`` the calls that used an earlier result
    again, and whether that counts as true.
    """
    running = flow == "running"
    calls: dict[int, list[Job]] = {}
    for job in sorted({*last, *taken}):
        calls.setdefault(job.step, []).append(job)
    progress = Progress(plan)
    while steps := progress.take():
        for step in steps:
            _settle(progress, step, calls.get(step.number, []), last, taken, flow)
    return [
        _stand(
            progress.states[step.number],
            calls.get(step.number, []),
            last,
            retries=plan.task_of(step.number).settings.retries,
            running=running,
        )
        for step in plan.steps
    ]


def _settle(
    progress: Progress,
    step: Step,
    calls: list[Job],
    last: Mapping[Job, Attempt],
    taken: Mapping[Job, bool],
    flow: str,
) -> None:
    """Tells the state machine what the record says of one step."""
    running = flow == "running"
    if running and any(job in last and last[job].state == "running" for job in calls):
        return
    if not calls:
        if step.over is not None and flow in {"finished", "failed"}:
            progress.opened(step.number, 0)  # its list was empty
        return
    parts = None if calls[0].part == WHOLE else len(calls)
    progress.opened(step.number, parts)
    for place, job in enumerate(calls):
        told = Job(step.number, WHOLE if parts is None else place)
        if job in last and last[job].state != "finished":
            if flow == "failed" or (not running and last[job].state == "failed"):
                progress.failed(told)
            return
        truth = bool(last[job].truth) if job in last else taken[job]
        progress.succeeded(told, truth)


def _stand(
    state: State, calls: list[Job], last: Mapping[Job, Attempt], *, retries: int, running: bool
) -> Stand:
    tried = [last[job] for job in calls if job in last]
    broken = [one for one in tried if one.state not in {"finished", "running"}]
    found = Stand.NOT_BEGUN if not running else Stand.WAITING
    if state is State.DONE:
        found = Stand.DONE if tried or not calls else Stand.REUSED
    elif any(one.state == "running" for one in tried):
        found = Stand.RUNNING
    elif broken and all(one.state in _CUT_OFF for one in broken):
        stopped = any(one.state == "stopped" for one in broken)
        found = Stand.STOPPED if stopped else Stand.INTERRUPTED
        found = Stand.WAITING if running else found
    elif any(one.tried >= retries or not running for one in broken):
        found = Stand.FAILED
    elif state in _SETTLED:
        found = _SETTLED[state]
    elif running and tried and not broken:
        found = Stand.RUNNING  # more calls of it are to come
    return found

"""Dispatch: who has a turn is started, who lost their process is set right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloister.core.errors import Conflict, NotFound
from cloister.core.events import Transaction
from cloister.core.files import take
from cloister.core.ids import RunId
from cloister.jobs import history
from cloister.jobs.asks import Box
from cloister.jobs.history import Job
from cloister.policy import Action
from cloister.runs import history as runs
from cloister.workflows.lab import Act, Lab
from cloister.workflows.leases import live
from cloister.workflows.leases.ending import end
from cloister.workflows.leases.holding import lock_path, orphaned
from cloister.workflows.leases.turns import Able, anyone, give
from cloister.workflows.runs.closing import close

_MOST_TRIES = 3


def of_service(job: Job) -> bool:
    """Whether a service starts it; others wait for their turn in a process of their own."""
    return job.how == history.SERVICE


def dispatch(
    lab: Lab, box: Box, able: Able = anyone, mine: Able = of_service
) -> Iterator[tuple[RunId, int]]:
    """Each run that a service is to start now, with the lock that its process has to hold.

    The descriptor is the receiver's to close; until then, and as long as another process has
    a copy, the run counts as alive. A service that is killed before it passed it on leaves a
    run that never began, and waits again. Who starts some jobs alone says which are ``mine``,
    and which others are ``able`` to begin without it.
    """
    yield from locked(lab, give(lab.act(Action.RUN), box, able, mine))


def locked(lab: Lab, given: Iterable[Job]) -> Iterator[tuple[RunId, int]]:
    """As ``dispatch``, of jobs that were given their turn."""
    for job in given:
        try:
            lock = take(lock_path(lab, job.run))
        except Conflict:
            continue  # somebody looks whether it is alive: the next look sets it right
        yield job.run, lock


def set_right(lab: Lab) -> list[str]:
    """Ends, or puts back, every job whose process is gone; says what it did.

    Safe at any time, by anyone: what a living process is at is left to it.
    """
    if not lab.may(Action.RUN):
        return []
    said: list[str] = []
    for job in lab.read(history.alive):
        if job.state == history.QUEUED and job.how == history.SERVICE:
            continue  # it has no process yet
        with orphaned(lab, job.run) as alone:
            if alone and (line := _mend(lab.act(Action.RUN), job.run)):
                said.append(line)
    return said


def clear_logs(lab: Lab) -> None:
    """Removes the live logs of jobs that ended a while ago."""
    live.clear(lab, frozenset(one.run for one in lab.read(history.alive)))


def _mend(act: Act, run: RunId) -> str | None:
    """Of a job whose lock is ours, so that nothing about it changes meanwhile."""
    job = act.lab.read(lambda tx: history.find(tx, run))
    if job is None or job.state == history.ENDED:
        return None
    begun = act.lab.read(lambda tx: _begun(tx, run))
    if begun is not None and begun.ended is None:
        close(act, run)
        return f"run {run} was interrupted"
    if begun is not None:
        end(act, run, begun.state, begun.exit_status)
    elif job.stopping is not None or job.how == history.HERE:
        end(act, run, "cancelled")
    elif job.requeued >= _MOST_TRIES:
        end(act, run, "refused")
        return f"run {run} could not be begun in {_MOST_TRIES + 1} tries: it is given up"
    else:
        act.record([act.event("job.requeued", {"run": run})])
        return f"run {run} had not begun: it waits again"
    return None


def _begun(tx: Transaction, run: RunId) -> runs.Run | None:
    try:
        return runs.find(tx, run)
    except NotFound:
        return None

"""Follow: what a job says, from its beginning, as it says it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from cloister.core.ids import RunId
from cloister.jobs import history
from cloister.jobs.history import Job
from cloister.policy import Action
from cloister.runs.live import Frame, LiveReader
from cloister.workflows.lab import Lab
from cloister.workflows.leases import live
from cloister.workflows.leases.holding import orphaned
from cloister.workflows.queue.dispatch import set_right

_LOOKS_S = 0.05
_MENDS_EVERY = 40
_A_MOMENT = 6
"""Looks; a job that begins sooner is not said to wait."""


def follow(lab: Lab, run: RunId) -> Iterator[Frame | Job]:
    """Every frame of the live log once, as it is written, until the job has ended.

    In between it gives the job's row each time that its state changes, and the last thing
    that it gives is the row of the end. The same for any number of followers.
    """
    state, looks = "", 0
    with ExitStack() as stack:
        log: LiveReader | None = None
        while True:
            job = _job(lab, run)
            if job.state != state and (job.state != history.QUEUED or looks == _A_MOMENT):
                state = job.state
                if state != history.ENDED:
                    yield job
            log = log or stack.enter_context(live.reader(lab, run))
            if log is not None:
                yield from log.frames()
            if state == history.ENDED:
                yield from _last_words(lab, run, log)
                yield job
                return
            time.sleep(_LOOKS_S)
            looks += 1
            if looks % _MENDS_EVERY == 0:
                set_right(lab)


def _last_words(lab: Lab, run: RunId, log: LiveReader | None) -> Iterator[Frame]:
    """What is said after the end is on record, by a process that is still there."""
    while log is not None and not log.ended:
        with orphaned(lab, run) as gone:
            yield from log.frames()
            if gone:
                return
        time.sleep(_LOOKS_S)


def peek(lab: Lab, run: RunId, start: int) -> tuple[list[Frame], int]:
    """The frames from number ``start`` on that are there now, and the number of the next."""
    with live.reader(lab, run) as log:
        found = [] if log is None else list(log.frames())
    return found[start:], max(start, len(found))


def may_follow(lab: Lab, job: Job) -> None:
    """Raises NotAllowed: one's own job says it to oneself, another's is data to be read.

    Reading another's is on record.
    """
    if job.person == lab.actor.person:
        lab.act(Action.RUN)
        return
    act = lab.act(Action.READ)
    act.record([act.end_read(act.begin_read("log", run=job.run), 0, 0)])


def _job(lab: Lab, run: RunId) -> Job:
    job = lab.read(lambda tx: history.find(tx, run))
    assert job is not None  # its row is never removed
    return job

"""Follow: what a job says, from its beginning, as it says it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from cloister.core.errors import BadInput, Tampered
from cloister.core.ids import RunId
from cloister.jobs import history
from cloister.jobs.history import Job
from cloister.policy import Action
from cloister.runs.live import Frame, Kind, LiveReader
from cloister.workflows.lab import Act, Lab
from cloister.workflows.leases import live
from cloister.workflows.leases.holding import orphaned
from cloister.workflows.queue.dispatch import set_right
from cloister.workflows.queue.find import find

_LOOKS_S = 0.05
_MOST_BYTES = 256 << 10
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


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a live log."""

    frames: tuple[Frame, ...]
    following: str
    """From where to go on."""
    ended: bool
    """Nothing more comes."""


def part(lab: Lab, name: str, start: str) -> Part:
    """What the job says from ``start`` on, which an earlier part named; at first it is empty.

    Raises NotFound, NotAllowed, BadInput for what no part named. That another person's job is
    read is on record before anything of it is given.
    """
    job = find(lab, name)
    may = may_follow(lab, job)
    try:
        found = _part(lab, job.run, start)
    except Tampered as error:
        if not start:
            raise
        raise BadInput("no part of a log begins there, or it is damaged") from error
    if found.frames:
        may.read()
    return found


def _part(lab: Lab, run: RunId, start: str) -> Part:
    ended = _job(lab, run).state == history.ENDED
    number, _, at = start.partition(".")
    if start and not (number.isdecimal() and at.isdecimal() and len(start) < 40):
        raise BadInput("no part of a log begins there")
    with live.reader(lab, run) as log:
        if log is None:
            return Part((), start, ended)
        if start:
            log.go_to(int(number), int(at))
        frames: list[Frame] = []
        size = 0
        for frame in log.frames():
            if frame.kind in (Kind.OUT, Kind.ERR):
                frames.append(frame)
                size += len(frame.content)
            if size >= _MOST_BYTES:
                break
        number, at = map(str, log.place)
        whole = size < _MOST_BYTES
        return Part(tuple(frames), f"{number}.{at}", whole and (log.ended or ended))


def said(lab: Lab, run: RunId, start: int | None, most: int) -> tuple[int, bytes, int]:
    """What a run has said until now, both streams as they came: up to ``most`` bytes.

    From byte ``start`` on, the last of them where that is None. Gives where they begin, the
    bytes, and how many there are in all.
    """
    with live.reader(lab, run) as log:
        if log is None:
            return 0, b"", 0
        passed = 0 if start is None else log.skip(start)
        held = bytearray()
        for frame in log.frames():
            if frame.kind in (Kind.OUT, Kind.ERR):
                held += frame.content
        size = passed + len(held)
        begin = max(0, size - most) if start is None else min(max(start, passed), size)
        return begin, bytes(held[begin - passed : begin - passed + most]), size


@dataclass(frozen=True, slots=True)
class Reading:
    """Leave to read what a job says; another person's is read on record."""

    act: Act | None
    run: RunId

    def read(self) -> None:
        """Before something is given out."""
        if self.act is not None:
            operation = self.act.begin_read("log", run=self.run)
            self.act.record([self.act.end_read(operation, 0, 0)])


def may_follow(lab: Lab, job: Job) -> Reading:
    """Raises NotAllowed: one's own job says it to oneself, another's is data to be read."""
    if job.person == lab.actor.person:
        lab.act(Action.RUN)
        return Reading(None, job.run)
    return Reading(lab.act(Action.READ), job.run)


def _job(lab: Lab, run: RunId) -> Job:
    job = lab.read(lambda tx: history.find(tx, run))
    assert job is not None  # its row is never removed
    return job

"""The queue at a glance: who has what of the machine, who waits for what, and why."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cloister.core.events import Transaction
from cloister.identity import people
from cloister.jobs import history
from cloister.jobs.asks import Ask, Box, Free
from cloister.jobs.history import Job
from cloister.jobs.turns import Turn, dominant_shares, free
from cloister.keys.seal import open_field
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
from cloister.workflows.leases.turns import anyone, holding, past, started_here, turns_now
from cloister.workflows.leases.wish import PURPOSE
from cloister.workflows.queue.shown import on, words
from cloister.workflows.unseal import open_keys

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job."""

    job: Job
    person: str
    """What they are called."""
    mine: bool
    command: str | None = field(repr=False)
    """None where the actor does not see it."""
    waits: str | None = None
    """Why it has not begun."""
    on: str | None = None
    """The other machine that it runs on; None for this one, and where its command is None."""

    @property
    def outcome(self) -> str:
        """How it stands, in a word."""
        job = self.job
        if job.state != history.ENDED:
            return "stopping" if job.stopping and job.state == history.RUNNING else job.state
        return "stopped" if job.stopped else str(job.outcome)


@dataclass(frozen=True, slots=True)
class QueueView:
    """What `cloister queue` shows."""

    box: Box
    free: Free
    service: bool
    """Whether somebody is up who starts what waits."""
    jobs: tuple[JobLine, ...]
    """What runs, then what waits in the order of its turns, then what ended last."""
    shares: Mapping[str, float]
    """Of each person: how much of the machine they have and lately had."""
    hidden: int
    """Jobs of projects that the actor does not see; they have their turns all the same."""


def look(lab: Lab, box: Box, *, service: bool, ended: int = 0) -> QueueView:
    """The queue now, and the ``ended`` jobs that ended last."""
    lab.act(Action.LIST)

    now_s, rules = lab.clock.now().timestamp(), lab.queue.rules

    def query(tx: Transaction) -> tuple[QueueView, list[tuple[Job, str | None]]]:
        alive = history.alive(tx)
        said, left = _turns(lab, tx, box, alive, service=service)
        found = [*_ordered(alive, said), *(history.recent(tx, ended) if ended else ())]
        seen = [one for one in found if _seen.sees(lab, tx, one.run)]
        names = _names(tx)
        used = [*holding(alive), *past(lab, tx)]
        shares = dominant_shares(box, used, now_s, rules)
        return QueueView(
            box=box,
            free=left,
            service=service,
            jobs=(),
            shares={names.get(who, who): share for who, share in shares.items()},
            hidden=len(found) - len(seen),
        ), [(one, _why(one, said.get(one.run), left)) for one in seen]

    view, rows = lab.read(query)
    return replace(view, jobs=lines(lab, rows))


def line(lab: Lab, box: Box, job: Job, *, service: bool) -> JobLine:
    """One job that the actor sees, and why it waits."""

    def query(tx: Transaction) -> str | None:
        said, left = _turns(lab, tx, box, history.alive(tx), service=service)
        return _why(job, said.get(job.run), left)

    return lines(lab, [(job, lab.read(query))])[0]


def lines(lab: Lab, rows: Sequence[tuple[Job, str | None]]) -> tuple[JobLine, ...]:
    """Jobs, and why each waits, as they are shown to the actor."""
    names = lab.read(_names)
    mine = {job.run for job, _ in rows if job.person == lab.actor.person}
    shown = [job for job, _ in rows if job.run in mine or lab.may(Action.READ)]
    keys = open_keys(lab, [job.key for job in shown])
    found: list[JobLine] = []
    for job, waits in rows:
        asked_for = _request(job, keys.get(job.seal))
        found.append(
            JobLine(
                job=job,
                person=names.get(job.person, job.person),
                mine=job.run in mine,
                command=None if asked_for is None else shlex.join(words(asked_for)),
                waits=waits,
                on=None if asked_for is None else on(asked_for),
            )
        )
    return tuple(found)


def asked(ask: Ask) -> str:
    """``2 cpus, 8,192 MiB, 1 gpu``."""
    cpus = f"{ask.cpus} cpu{'' if ask.cpus == 1 else 's'}"
    gpus = f", {ask.gpus} gpu{'' if ask.gpus == 1 else 's'}" if ask.gpus else ""
    return f"{cpus}, {ask.memory_bytes // _MIB:,} MiB{gpus}"


def _turns(
    lab: Lab, tx: Transaction, box: Box, alive: Sequence[Job], *, service: bool
) -> tuple[dict[str, Turn], Free]:
    """The turn of each job that waits, by its run, and what of the machine is free."""
    able = anyone if service else started_here
    said = {one.run: one for one in turns_now(lab, tx, box, alive, able)}
    return said, free(box, holding(alive))


def _ordered(alive: Sequence[Job], said: Mapping[str, Turn]) -> list[Job]:
    running = [one for one in alive if one.state == history.RUNNING]
    places = {run: place for place, run in enumerate(said)}
    waiting = [one for one in alive if one.state == history.QUEUED]
    return [*running, *sorted(waiting, key=lambda one: places.get(one.run, len(places)))]


def _names(tx: Transaction) -> dict[str, str]:
    return {str(one.person): one.name for one in people.everyone(tx, removed=True)}


def _request(job: Job, key: bytes | None) -> Mapping[str, Any] | None:
    if key is None:
        return None
    found: Mapping[str, Any] = json.loads(
        open_field(key, PURPOSE, job.request, job.run.encode())
    )
    return found


def _why(job: Job, turn: Turn | None, left: Free) -> str | None:
    """What a person wants to know who waits."""
    if job.state != history.QUEUED:
        return None
    if turn is None:
        return "nobody is up who would start it: `cloister up`"
    if turn.lease is not None:
        return "begins now"
    if turn.kept_for is not None:
        return f"{turn.kept_for} has waited longer and is larger: room is kept for it"
    lacks = [
        f"{name}: {asked:,} wanted, {have:,} free"
        for name, asked, have in (
            ("cpus", job.cpus, left.cpus),
            ("MiB", job.memory_bytes // _MIB, left.memory_bytes // _MIB),
            ("gpus", job.gpus, left.gpus),
        )
        if asked > have
    ]
    return "; ".join(lacks) or "others have had less of the machine and go first"

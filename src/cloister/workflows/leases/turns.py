"""Giving turns: who waits is lent what is free, in one transaction that everybody shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from cloister.core.clock import timestamp
from cloister.core.events import Event, Transaction
from cloister.jobs import history
from cloister.jobs.asks import Box
from cloister.jobs.history import Job
from cloister.jobs.turns import Turn, Used, turns
from cloister.workflows.lab import Act, Lab

_REMEMBERED = 7.0
"""Half-lives; what was used before counts for less than a hundredth."""
Able = Callable[[Job], bool]


def anyone(_: Job) -> bool:
    """Every job that waits has somebody who would start it."""
    return True


def started_here(job: Job) -> bool:
    """Its own command waits for it; nobody else has to be up."""
    return job.how == history.HERE


def give(act: Act, box: Box, able: Able, mine: Able) -> list[Job]:
    """Lends what is free; gives the jobs of ``mine`` that begin now, which is on record.

    Turns are given among those that are ``able`` to begin. Safe beside any number of others
    who do the same: the queue is read, and leases are written, in one transaction.
    """
    if not any(one.state == history.QUEUED for one in act.lab.read(history.alive)):
        return []
    return act.lab.database.write(lambda tx: give_in(act, tx, box, able, mine))


def give_in(act: Act, tx: Transaction, box: Box, able: Able, mine: Able) -> list[Job]:
    """As ``give``, as part of another operation."""
    alive = history.alive(tx)
    said = {one.run: one for one in turns_now(act.lab, tx, box, alive, able)}
    begin = [
        (job, turn)
        for job in alive
        if (turn := said.get(job.run)) is not None and turn.lease is not None and mine(job)
    ]
    act.lab.ledger.append(tx, [_started(act, turn) for _, turn in begin])
    return [job for job, _ in begin]


def turns_now(
    lab: Lab, tx: Transaction, box: Box, alive: Sequence[Job], able: Able
) -> tuple[Turn, ...]:
    """What the queue says just now to each that waits and is ``able``."""
    waiting = [one.waiting() for one in alive if one.state == history.QUEUED and able(one)]
    several = len({one.person for one in waiting}) > 1
    used = holding(alive) if not several else [*holding(alive), *past(lab, tx)]
    return turns(box, waiting, used, lab.clock.now().timestamp(), lab.queue.rules)


def holding(alive: Sequence[Job]) -> list[Used]:
    """What has a part of the machine now."""
    return [one.used() for one in alive if one.state == history.RUNNING]


def past(lab: Lab, tx: Transaction) -> list[Used]:
    """What had one, as long ago as it still counts."""
    since = timedelta(seconds=_REMEMBERED * lab.queue.rules.half_life_s)
    time = timestamp(lab.clock.now() - since)
    return [one.used() for one in history.ended_since(tx, time)]


def _started(act: Act, turn: Turn) -> Event:
    assert turn.lease is not None
    lent = {"cpus": list(turn.lease.cpus), "gpus": list(turn.lease.gpus)}
    return act.event("job.started", lent | {"run": turn.run})

"""A seat: one run with its place in the queue, its lease, its lock and its live log."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cloister.core.errors import CloisterError
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.fence.interrupts import ON_RECORD
from cloister.jobs import history
from cloister.jobs.asks import Box, Lease
from cloister.jobs.history import Job
from cloister.jobs.turns import free
from cloister.policy import Action
from cloister.runs.live import Kind, LiveWriter
from cloister.workflows.lab import Act, Lab
from cloister.workflows.leases.ending import end
from cloister.workflows.leases.holding import heeding_stops, held
from cloister.workflows.leases.live import live_log
from cloister.workflows.leases.turns import give, give_in, holding, started_here
from cloister.workflows.leases.wish import FreshRun, Wish, fresh_runs, machine, submitted

LOOKS_S = 0.2
"""How often who waits looks whether its turn has come."""
Output = Callable[[int, bytes], None]


@dataclass(frozen=True, slots=True)
class Seat:
    """What a run has once its turn has come."""

    act: Act
    run: RunId
    lease: Lease
    live: LiveWriter
    waited: bool
    """Others ran meanwhile: what was looked at before may have changed."""

    def heard(self, output: Output) -> Output:
        """``output``, and the live log beside it."""

        def hear(stream: int, chunk: bytes) -> None:
            self.live.add(Kind(stream), chunk)
            output(stream, chunk)

        return hear


@dataclass(frozen=True, slots=True)
class Asked:
    """A run whose turn was asked for, and that this process will run itself."""

    act: Act
    run: RunId
    box: Box
    waits: bool
    """Its turn did not come at once."""

    def came(self) -> bool:
        """Whether its turn has come; gives their turns to all that wait as it does."""
        if self._is_queued():
            give(self.act, self.box, started_here, started_here)
        return not self._is_queued()

    def _is_queued(self) -> bool:
        return self.act.lab.read(lambda tx: _job(tx, self.run)).state == history.QUEUED


@contextmanager
def asked(lab: Lab, wish: Wish) -> Iterator[Asked]:
    """A place in the queue, for a run of this process; the job is over when the block ends.

    Raises BadInput for what this machine can never lend, NotAllowed.
    """
    act, box = lab.act(Action.RUN), machine()
    (fresh,) = fresh_runs(lab, 1)
    run = fresh.run
    with held(lab, run):
        waits = _ask(act, fresh, wish, box)
        with _ended(act, run):
            yield Asked(act, run, box, waits)


@contextmanager
def take_seat(lab: Lab, wish: Wish, said: Callable[[str], None]) -> Iterator[Seat]:
    """Waits, in this process, for the turn of a run that it will run itself.

    What it is lent is free again when the block ends, and when the process does. Raises what
    ``asked`` raises.
    """
    with asked(lab, wish) as turn:
        wait(turn, said)
        with sitting(turn.act, turn.run, waited=turn.waits) as seat:
            yield seat


def wait(turn: Asked, said: Callable[[str], None]) -> None:
    """Until it has come; ``said`` is told where that is not at once."""
    if turn.waits:
        said("waits for its turn: see `cloister queue`; Ctrl-C gives it up")
        while not turn.came():
            time.sleep(LOOKS_S)


@contextmanager
def sitting(act: Act, run: RunId, *, waited: bool) -> Iterator[Seat]:
    """The seat of a run whose turn has come and whose lock is held."""
    lab = act.lab
    lease = lab.read(lambda tx: _job(tx, run)).lease
    alone = threading.current_thread() is threading.main_thread()
    number = ON_RECORD if alone else signal.SIGTERM  # in a thread no fence hears of signals
    with live_log(lab, run) as live, heeding_stops(lab, run, number):
        yield Seat(act, run, lease, live, waited)


def _ask(act: Act, fresh: FreshRun, wish: Wish, box: Box) -> bool:
    """Puts on record what is wanted; whether it has to wait."""
    lab, ask = act.lab, wish.ask(act.lab, box)
    event = submitted(act, fresh, wish, ask, history.HERE)

    def write(tx: Transaction) -> bool:
        box.require(ask, free(box, holding(history.alive(tx))))
        lab.ledger.append(tx, [event])
        give_in(act, tx, box, started_here, started_here)
        return _job(tx, fresh.run).state == history.QUEUED

    return lab.database.write(write)


def _job(tx: Transaction, run: RunId) -> Job:
    found = history.find(tx, run)
    assert found is not None  # it was asked for in this very process
    return found


@contextmanager
def _ended(act: Act, run: RunId) -> Iterator[None]:
    """Whatever happens in the block, the job is over after it."""
    try:
        yield
    except CloisterError as error:
        end(act, run, "refused", error.exit_status)
        raise
    except BaseException:
        end(act, run, "cancelled")
        raise
    else:
        end(act, run, "cancelled")

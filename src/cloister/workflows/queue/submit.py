"""Submit: a run is asked for, on record, to begin when its turn has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cloister.core.errors import BadInput
from cloister.core.events import Event, Transaction
from cloister.core.ids import RunId
from cloister.jobs import history
from cloister.jobs.asks import Box
from cloister.jobs.turns import free
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.lab import Act, Lab
from cloister.workflows.leases.turns import holding
from cloister.workflows.leases.wish import FreshRun, Wish, fresh_runs, machine, submitted
from cloister.workflows.queue import requests
from cloister.workflows.queue.requests import Wanted
from cloister.workflows.runs import go_on, replay, run
from cloister.workflows.runs.replay import ReplayRequest
from cloister.workflows.runs.run import RunRequest


@dataclass(frozen=True, slots=True)
class Submission:
    """What is settled of a run, or of many that differ in their command alone."""

    act: Act
    box: Box
    wish: Wish
    place: str
    """The project that it belongs to."""
    project: str | None

    def submit(self, wanted: Wanted, besides: Callable[[RunId], Sequence[Event]]) -> RunId:
        """Asks for it; what is on record ``besides`` is so with it, or neither is."""
        lab = self.act.lab
        (fresh,) = fresh_runs(lab, 1)
        lab.database.write(self.asking(fresh, wanted, besides))
        return fresh.run

    def asking(
        self, fresh: FreshRun, wanted: Wanted, besides: Callable[[RunId], Sequence[Event]]
    ) -> Callable[[Transaction], None]:
        """What asks for it, as part of another operation."""
        act, lab = self.act, self.act.lab
        ask = self.wish.ask(lab, self.box)
        plain = requests.write(wanted, self.project)
        event = submitted(act, fresh, self.wish, ask, history.SERVICE, plain)
        further = [*_seen.placed(act, _seen.RUN, fresh.run, self.place), *besides(fresh.run)]

        def write(tx: Transaction) -> None:
            self.box.require(ask, free(self.box, holding(history.alive(tx))))
            lab.ledger.append(tx, [event, *further])

        return write


def settled(lab: Lab, wanted: Wanted, project: str | None = None) -> Submission:
    """``wanted``, looked at; what is wrong with it is said now as far as it can be known.

    Raises BadInput, NotFound, NotAllowed.
    """
    act, box = lab.act(Action.RUN), machine()
    requests.check(wanted)
    wish, place = _looked_at(lab, wanted)
    return Submission(act, box, wish, place, project)


def submit(lab: Lab, wanted: Wanted, project: str | None = None) -> RunId:
    """The name of the run; it is durable when this returns, and begins even if this process
    is killed at once.

    Begun in a process of its own, once: by `cloister up`, where and when that runs. What is
    wrong with it is said now as far as it can be known: raises BadInput, also for what this
    machine can never lend, NotFound, NotAllowed.
    """
    return settled(lab, wanted, project).submit(wanted, lambda _: ())


def submit_from_elsewhere(lab: Lab, wanted: RunRequest) -> RunId:
    """As ``submit``, for somebody who is not at the machine: in the lab's ``folders`` alone."""
    lab.act(Action.RUN)
    return submit(lab, replace(wanted, workdir=within(wanted.workdir, lab.folders), reads=()))


def within(folder: Path, allowed: tuple[Path, ...]) -> Path:
    """``folder`` without links, where it is, or lies in, one of ``allowed``.

    Raises BadInput for any other, whether it exists or not: whoever is not at the machine
    works where those who are say so, and learns nothing of what lies elsewhere.
    """
    real = (allowed[0] / folder).resolve() if allowed else folder
    for one in allowed:
        if real == one or one in real.parents:
            if not real.is_dir():
                raise BadInput("no such folder", hint="make it at the machine first")
            return real
    raise BadInput(
        "jobs from a browser do not work in that folder",
        hint="start the service with `cloister up --folder FOLDER`",
    )


def _looked_at(lab: Lab, wanted: Wanted) -> tuple[Wish, str]:
    """What it wants of the machine, and the project that it belongs to."""
    if isinstance(wanted, RunRequest):
        given = run.check(lab, wanted)
        return wanted.wish(), lab.read(lambda tx: _seen.project_of(lab, tx, given))
    if isinstance(wanted, ReplayRequest):
        asked = replay.wish(lab, wanted)
        return asked, lab.read(lambda tx: replay.project_of(lab, tx, wanted))
    return go_on.wish(lab, wanted), lab.read(lambda tx: go_on.project_of(lab, tx, wanted))

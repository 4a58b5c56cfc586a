"""Replay: a run once more from the queue, and the verdict on what it leaves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloister.core.errors import Erased
from cloister.core.events import Transaction
from cloister.core.values import FenceLevel
from cloister.identity import projects
from cloister.policy import Action
from cloister.runs.locked import LockedEnvironments
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
from cloister.workflows.leases import Seat, Wish
from cloister.workflows.runs import reproduce
from cloister.workflows.runs._causes import Trials
from cloister.workflows.runs._job import RunReport
from cloister.workflows.runs._lent import unheard
from cloister.workflows.runs._recorded import recorded
from cloister.workflows.runs._replaying import Replays, this_host
from cloister.workflows.runs.reproduce import ReproduceRequest


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Which run; everything as recorded. Causes are tested by `cloister reproduce` alone."""

    run: str
    environment: Mapping[str, str] = field(repr=False)
    tolerance: float = 1e-6
    """Declared before the replay, and part of the verdict on record."""
    required: FenceLevel = FenceLevel.FULL
    stdin: None = None
    checkpoints: None = None


def wish(lab: Lab, request: ReplayRequest) -> Wish:
    """What it wants of the machine: what the run did; raises NotFound, BadInput for a run
    that left nothing to compare, Erased for data that are gone."""
    was = recorded(lab.act(Action.RUN), request.run)
    if was.erased:
        raise Erased(
            f"data that {was.run.run} was given were erased since: it cannot be had again",
            hint="`cloister reproduce` puts that verdict on record",
        )
    return reproduce.wish_of(was)


def project_of(lab: Lab, tx: Transaction, request: ReplayRequest) -> str:
    """Where it belongs: with the run that it replays."""
    found = _seen.run(lab, tx, request.run, Action.RUN)
    return projects.of_object(tx, _seen.RUN, found.run)


def replay_seated(seat: Seat, request: ReplayRequest) -> RunReport:
    """Replays the run once its turn has come; the verdict is on record when this returns.

    Raises what ``wish`` raises.
    """
    act, began_s = seat.act, time.monotonic()
    was = recorded(act, request.run)
    locked = LockedEnvironments(act.lab.folder / "environments", allowed=False)
    whole = ReproduceRequest(
        run=request.run,
        environment=request.environment,
        locked=locked,
        tolerance=request.tolerance,
        explain=False,
        most=1,
        required=request.required,
    )
    if was.erased:
        reproduce.record(act, reproduce.lost(was, whole))
        raise Erased(f"data that {was.run.run} was given were erased since: UNREPRODUCIBLE")
    host = this_host(request.environment)
    replays = Replays(act.lab, was, host, locked, request.required, ())
    trials = Trials(
        act, replays, request.tolerance, 1, reproduce.wish_of(was), unheard, seat=seat
    )
    first, found = reproduce.replayed(trials, whole, began_s)
    reproduce.record(act, found)
    return first.report

"""The end of a run that was killed, with what it had said: its live log, sealed as its log."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.core.errors import Tampered
from cloister.core.events import Event, Transaction
from cloister.core.ids import RunId
from cloister.runs import history
from cloister.runs.identified import Place
from cloister.store import ObjectWriter, Placement
from cloister.workflows._findings import findings
from cloister.workflows._keeping import Keeper
from cloister.workflows.lab import Act
from cloister.workflows.leases import ending as jobs
from cloister.workflows.leases import live
from cloister.workflows.tracking.ending import endings


def close(act: Act, run: RunId) -> bool:
    """Puts on record that a run was interrupted, with what it had said; False if it ended."""
    if act.lab.read(lambda tx: history.find(tx, run)).ended is not None:
        return False
    with act.lab.store.writer("derived") as writer:
        said, placements = _rescued(act, run, writer)
        return _close(act, run, said, placements)


def _close(act: Act, run: RunId, said: Sequence[Event], places: Sequence[Placement]) -> bool:
    body = {"exit_status": None, "fence": None, "run": run, "state": "interrupted"}

    def write(tx: Transaction) -> bool:
        if history.find(tx, run).ended is not None:
            return False
        act.lab.store.place(tx, places)
        act.lab.ledger.append(tx, said)
        left_open = endings(act, tx, run, "interrupted")
        over = jobs.endings(act, tx, run, "interrupted", None)
        act.lab.ledger.append(tx, [act.event("run.ended", body), *left_open, *over])
        return True

    return act.lab.database.write(write)


def _rescued(
    act: Act, run: RunId, writer: ObjectWriter
) -> tuple[Sequence[Event], Sequence[Placement]]:
    """The events and the place of what ``run`` said until it was killed; none where it said
    nothing, or its key is gone."""
    try:
        log = live.everything(act.lab, run)
    except Tampered:  # nobody vouches for it, and it was no record
        return (), ()
    if not log:
        return (), ()
    keeper = Keeper(act, run, writer)
    keeper.keep("log", "log", log)
    named = act.lab.identifier.in_output(log)
    return [*keeper.events(), *findings(act, run, {Place.OUTPUT: named})], keeper.placements()

"""Together: changes of several requests in one commit; those that log, in a few statements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cloister.core.errors import CloisterError
from cloister.core.events import Transaction
from cloister.tracking import points
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.log import Logged
from cloister.workflows.tracking.recording import Pending

Outcome = Callable[[], Any]
"""Tells what one change tells, or raises what it raised."""


def record_each(pending: Sequence[Pending[Any]]) -> list[Outcome]:
    """Records changes of one lab side by side; each outcome is its own, and durable."""
    if not pending:
        return []
    write_each = pending[0].act.lab.database.write_each
    joined = {
        at: one.change
        for at, one in enumerate(pending)
        if isinstance(one.change, Logged) and not one.change.params  # parameters must differ
    }
    if len(joined) < 2:
        return write_each([one.write for one in pending])
    alone = {at: one.write for at, one in enumerate(pending) if at not in joined}
    asked = list(joined.values())
    writes: list[Callable[[Transaction], Any]] = [lambda tx: _log(tx, asked), *alone.values()]
    first, *others = write_each(writes)
    outcomes: dict[int, Outcome] = dict(zip(alone, others, strict=True))
    told: Sequence[Outcome]
    try:
        told = [partial(_told, refused) for refused in first()]
    except Exception:  # noqa: BLE001 - nothing is written: each by itself, none pays for another
        told = write_each([pending[at].write for at in joined])
    outcomes |= zip(joined, told, strict=True)
    return [outcomes[at] for at in range(len(pending))]


def _log(tx: Transaction, asked: Sequence[Logged]) -> list[CloisterError | None]:
    """Records all of them, as if one came after another, but for those it gives an error of."""
    found = seen.active_runs(tx, [(one.visit, one.run) for one in asked])
    refused = [one if isinstance(one, CloisterError) else None for one in found]
    able = [one for one, error in zip(asked, refused, strict=True) if error is None]
    places = points.places(tx, [(one.run, one.points) for one in able])
    events = [event for one, at in zip(able, places, strict=True) for event in one.events(at)]
    if events:
        able[0].act.lab.ledger.append(tx, events)
    return refused


def _told(refused: CloisterError | None) -> None:
    if refused is not None:
        raise refused

"""Whether the record has grown, and by what: the question that is asked again and again."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.events import Event, Transaction
from cloister.workflows.lab import Lab

_MOST = 2000


@dataclass(frozen=True, slots=True)
class Grown:
    """How long the record is, and what was added."""

    size: int
    events: tuple[Event, ...] | None
    """None where that is too much to look at: anything may have changed."""


def grown(lab: Lab, since: int | None) -> Grown:
    """What was committed after ``since`` entries, by whichever process; nothing for None."""

    def query(tx: Transaction) -> Grown:
        rows = tx.query("SELECT size FROM ledger_head")
        size = int(rows[0][0]) if rows else 0
        if since is None or size == since:
            return Grown(size, ())
        if size < since or size - since > _MOST:
            return Grown(size, None)
        found = (one.event for one in lab.reader.events(tx, since) if one.index < size)
        return Grown(size, tuple(found))

    return lab.read(query)

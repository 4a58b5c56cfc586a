"""What the key service was asked, as its own chained journal says: drained into the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from cloister.core.events import Recorded, Statement, Transaction

SCHEMA = (
    "CREATE TABLE key_use (idx INTEGER PRIMARY KEY, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL, digest TEXT NOT NULL, refused INTEGER NOT NULL)",
)


def keys_journaled(recorded: Recorded) -> Iterator[Statement]:
    """Entries ``first`` to ``last`` of the journal; ``digest`` chains to all before."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO key_use VALUES (?, ?, ?, ?, ?)",
        (recorded.index, body["first"], body["last"], body["digest"], body["refused"]),
    )


def last_drained(tx: Transaction) -> tuple[int, bytes]:
    """Number and digest of the newest journal entry on record; (0, b"") before any."""
    rows = tx.query("SELECT last, digest FROM key_use ORDER BY idx DESC LIMIT 1")
    return (rows[0][0], bytes.fromhex(rows[0][1])) if rows else (0, b"")

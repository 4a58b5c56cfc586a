"""A lab's own policies: the text that holds, and that it once was another."""

from __future__ import annotations

from collections.abc import Iterator

from cloister.core.events import Recorded, Statement, Transaction

SCHEMA = ("CREATE TABLE own_policy (number INTEGER PRIMARY KEY, text TEXT NOT NULL)",)


def policy_set(recorded: Recorded) -> Iterator[Statement]:
    """From here on these hold; an empty text takes all of them back."""
    yield Statement(
        "INSERT INTO own_policy VALUES (?, ?)", (recorded.index, recorded.event.body["text"])
    )


def in_force(tx: Transaction) -> str:
    """The policies that hold, in Cedar; empty where the lab has none of its own."""
    rows = tx.query("SELECT text FROM own_policy ORDER BY number DESC LIMIT 1")
    return str(rows[0][0]) if rows else ""

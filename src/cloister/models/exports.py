"""Conversions on record: which run's file another run turned into a model, and how well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from cloister.core.canonical import canonical
from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.values import Parity

SCHEMA = (
    "CREATE TABLE export (run TEXT PRIMARY KEY, origin TEXT NOT NULL, source INTEGER NOT NULL,"
    " output TEXT NOT NULL, converter TEXT NOT NULL, parity TEXT NOT NULL,"
    " idx INTEGER NOT NULL)",
    "CREATE INDEX export_origin ON export (origin)",
)


class Export(NamedTuple):
    """One conversion that was accepted."""

    run: str
    """The run that converted."""
    origin: str
    """The run whose file it was."""
    source: int
    """Where the ledger has that file."""
    output: str
    """The salted commitment to that file."""
    converter: str
    parity: str
    """Canonical JSON, as the event has it."""
    place: int

    def measured(self) -> Parity:
        """The comparison."""
        return parity(json.loads(self.parity))


def model_exported(recorded: Recorded) -> Iterator[Statement]:
    """A run converted what another left."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO export VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            body["run"],
            body["origin"],
            body["source"],
            body["commitment"],
            body["converter"],
            canonical(body["parity"]).decode(),
            recorded.index,
        ),
    )


def find(tx: Transaction, run: str) -> Export | None:
    """The conversion that ``run`` was, if it was one."""
    rows = tx.query("SELECT * FROM export WHERE run = ?", (run,))
    return Export._make(rows[0]) if rows else None


def of_origin(tx: Transaction, origin: str) -> list[Export]:
    """Conversions of what ``origin`` left, oldest first."""
    rows = tx.query("SELECT * FROM export WHERE origin = ? ORDER BY idx", (origin,))
    return [Export._make(row) for row in rows]


def parity(body: dict[str, Any]) -> Parity:
    """A comparison as the ledger holds it."""
    return Parity(
        rows=body["rows"],
        held_out=body["source"] == "held out",
        compared=body["compared"],
        agreed=body["agreed"],
        max_abs=body["max_abs"],
        max_rel=body["max_rel"],
        tolerance=body["tolerance"],
    )

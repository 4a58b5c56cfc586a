"""Who read what: begun before the first byte, ended with counts; no end means all was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloister.core.events import Recorded, Statement, Transaction

SCHEMA = (
    "CREATE TABLE read (operation TEXT PRIMARY KEY, actor TEXT NOT NULL, purpose TEXT NOT NULL,"
    " dataset TEXT, number INTEGER, record TEXT, run TEXT, begun INTEGER NOT NULL,"
    " time TEXT NOT NULL, records INTEGER, bytes INTEGER)",
    "CREATE INDEX read_version ON read (dataset, number)",
    "CREATE INDEX read_record ON read (record)",
)


@dataclass(frozen=True, slots=True)
class Read:
    """One opening of patient data."""

    operation: str
    actor: str
    purpose: str
    dataset: str | None
    number: int | None
    record: str | None
    run: str | None
    begun: int
    time: str
    records: int | None
    """How many were read; None when the reader never came back to say."""
    size_bytes: int | None


def read_begun(recorded: Recorded) -> Iterator[Statement]:
    """Someone is about to read."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO read VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        (
            body["operation"],
            recorded.event.actor,
            body["purpose"],
            body["dataset"],
            body["number"],
            body["record"],
            body["run"],
            recorded.index,
            recorded.event.time,
        ),
    )


def read_ended(recorded: Recorded) -> Iterator[Statement]:
    """They are done; this much was read."""
    body = recorded.event.body
    yield Statement(
        "UPDATE read SET records = ?, bytes = ? WHERE operation = ?",
        (body["records"], body["bytes"], body["operation"]),
    )


def of_version(tx: Transaction, dataset: str, number: int) -> list[Read]:
    """Every reading of one version, oldest first."""
    rows = tx.query(
        "SELECT * FROM read WHERE dataset = ? AND number = ? ORDER BY begun", (dataset, number)
    )
    return [Read(*row) for row in rows]


_SHOWING = (
    "dataset = ? AND (number = ? OR record IN (SELECT record FROM record WHERE dataset = ?"
    " AND added_in <= ? AND (removed_in IS NULL OR removed_in > ?)))"
)


def newest(tx: Transaction, dataset: str, number: int, before: int, most: int) -> list[Read]:
    """Readings of one version or of a record that it shows, the newest first.

    Up to ``most`` of those that began before a place in the ledger.
    """
    rows = tx.query(
        f"SELECT * FROM read WHERE {_SHOWING} AND begun < ? ORDER BY begun DESC LIMIT ?",  # noqa: S608
        (dataset, number, dataset, number, number, before, most),
    )
    return [Read(*row) for row in rows]


def count(tx: Transaction, dataset: str, number: int) -> int:
    """How many readings there were of one version and of what it shows."""
    sql = f"SELECT COUNT(*) FROM read WHERE {_SHOWING}"  # noqa: S608
    [(found,)] = tx.query(sql, (dataset, number, dataset, number, number))
    return int(found)


def of_quarantine(tx: Transaction, dataset: str) -> list[Read]:
    """Every look at what a dataset set aside, oldest first."""
    rows = tx.query(
        "SELECT * FROM read WHERE dataset = ? AND number IS NULL AND record IS NULL"
        " ORDER BY begun",
        (dataset,),
    )
    return [Read(*row) for row in rows]


def of_record(tx: Transaction, record: str) -> list[Read]:
    """Every reading of one record by itself, oldest first."""
    return [
        Read(*row)
        for row in tx.query("SELECT * FROM read WHERE record = ? ORDER BY begun", (record,))
    ]

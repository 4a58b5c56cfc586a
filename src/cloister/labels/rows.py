"""Labels as append-only rows: who read which record when, and what it replaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cloister.core.encoding import to_bytes, to_text
from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.ids import BatchId, LabelId, RecordId

SCHEMA = (
    "CREATE TABLE label (idx INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE,"
    " record TEXT NOT NULL, dataset TEXT NOT NULL, batch TEXT NOT NULL, schema TEXT NOT NULL,"
    " value BLOB NOT NULL, commitment TEXT NOT NULL, reader TEXT NOT NULL, role TEXT NOT NULL,"
    " time TEXT NOT NULL, blind INTEGER NOT NULL, supersedes TEXT)",
    "CREATE INDEX label_record ON label (record)",
    "CREATE INDEX label_dataset ON label (dataset)",
)
WITHDRAWALS = ("CREATE TABLE label_withdrawal (batch TEXT PRIMARY KEY, idx INTEGER NOT NULL)",)
PURPOSE = "label"
"""The purpose under which label values are sealed, with the object key of their record."""


class Label(NamedTuple):
    """One reading of one record."""

    place: int
    label: LabelId
    record: RecordId
    dataset: str
    batch: BatchId
    schema: str
    """What was asked: the column's name."""
    value: bytes
    """Sealed: canonical JSON of the value and its opening."""
    commitment: str
    reader: str
    role: str
    time: str
    blind: bool
    """Whether the reader saw no other reader's label."""
    supersedes: str | None


@dataclass(frozen=True, slots=True)
class NewLabel:
    """A label about to be written."""

    label: LabelId
    record: RecordId
    dataset: str
    batch: BatchId
    schema: str
    value: bytes
    commitment: str
    blind: bool = False
    supersedes: LabelId | None = None

    def body(self, role: str) -> dict[str, Any]:
        """The event body for a reader in ``role``; reader and time are the event's own."""
        return {
            "batch": self.batch,
            "blind": int(self.blind),
            "commitment": self.commitment,
            "dataset": self.dataset,
            "label": self.label,
            "record": self.record,
            "role": role,
            "schema": self.schema,
            "supersedes": self.supersedes,
            "value": to_text(self.value),
        }


def label_added(recorded: Recorded) -> Iterator[Statement]:
    """A reader read a record."""
    event, body = recorded.event, recorded.event.body
    names = [str(body[name]) for name in ("label", "record", "dataset", "batch", "schema")]
    yield Statement(
        "INSERT INTO label VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            recorded.index,
            *names,
            to_bytes(body["value"]),
            body["commitment"],
            event.actor,
            body["role"],
            event.time,
            body["blind"],
            body["supersedes"],
        ),
    )


def labels_withdrawn(recorded: Recorded) -> Iterator[Statement]:
    """They came with an add that was taken back: they hold no more."""
    for batch in recorded.event.body["batches"]:
        yield Statement("INSERT INTO label_withdrawal VALUES (?, ?)", (batch, recorded.index))


def in_force(
    tx: Transaction, dataset: str, before: int | None = None
) -> dict[str, list[Label]]:
    """Record -> labels in force, now or just before a ledger index: each chain's newest."""
    return _standing(
        Label._make(row)
        for row in tx.iterate(
            "SELECT * FROM label WHERE dataset = ? AND (? IS NULL OR idx < ?)"
            " AND batch NOT IN (SELECT batch FROM label_withdrawal) ORDER BY idx",
            (dataset, before, before),
        )
    )


def in_force_of(tx: Transaction, records: Sequence[str], before: int) -> dict[str, list[Label]]:
    """Record -> labels in force just before a ledger index, of a few records."""
    return _standing(
        Label._make(row)
        for record in records
        for row in tx.query(
            "SELECT * FROM label WHERE record = ? AND idx < ?"
            " AND batch NOT IN (SELECT batch FROM label_withdrawal) ORDER BY idx",
            (record, before),
        )
    )


def _standing(known: Iterable[Label]) -> dict[str, list[Label]]:
    """Each chain's newest."""
    rows = list(known)
    replaced = {row.supersedes for row in rows}
    found: dict[str, list[Label]] = {}
    for row in rows:
        if row.label not in replaced:
            found.setdefault(row.record, []).append(row)
    return found


def schemas(tx: Transaction, dataset: str, number: int, place: int) -> list[tuple[str, int]]:
    """(schema, records that have such a label) of one version, which stands at ``place``."""
    rows = tx.query(
        "SELECT schema, COUNT(DISTINCT label.record) FROM label JOIN record USING (record)"
        " WHERE label.dataset = ? AND label.idx < ? AND added_in <= ?"
        " AND (removed_in IS NULL OR removed_in > ?)"
        " AND label.batch NOT IN (SELECT batch FROM label_withdrawal)"
        " GROUP BY schema ORDER BY schema",
        (dataset, place, number, number),
    )
    return [(str(schema), int(count)) for schema, count in rows]


def batches_since(tx: Transaction, dataset: str, place: int) -> list[BatchId]:
    """The batches of labels that came after this place in the ledger and still hold."""
    rows = tx.query(
        "SELECT DISTINCT batch FROM label WHERE dataset = ? AND idx > ?"
        " AND batch NOT IN (SELECT batch FROM label_withdrawal) ORDER BY batch",
        (dataset, place),
    )
    return [BatchId(batch) for (batch,) in rows]


def of_records(tx: Transaction, records: Sequence[str]) -> list[Label]:
    """Every label ever put on these records."""
    return [
        Label._make(row)
        for record in records
        for row in tx.iterate("SELECT * FROM label WHERE record = ? ORDER BY idx", (record,))
    ]

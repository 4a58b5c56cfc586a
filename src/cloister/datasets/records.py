"""Records: one sealed file, or one patient's rows of a table, each an event of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import NotFound
from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import BatchId, KeyId, RecordId, SubjectId, key_id
from cloister.core.values import KeyRef

SCHEMA = (
    "CREATE TABLE record (idx INTEGER PRIMARY KEY, record TEXT NOT NULL UNIQUE,"
    " batch TEXT NOT NULL, dataset TEXT NOT NULL, subject TEXT NOT NULL, kind TEXT NOT NULL,"
    " object TEXT, size INTEGER NOT NULL, seal BLOB NOT NULL, wrap BLOB NOT NULL,"
    " meta BLOB NOT NULL, commitment TEXT, quarantine TEXT,"
    " added_in INTEGER, removed_in INTEGER)",
    "CREATE INDEX record_dataset ON record (dataset, added_in)",
    "CREATE INDEX record_batch ON record (batch)",
    "CREATE INDEX record_subject ON record (subject)",
    "CREATE INDEX record_object ON record (object)",
)
_COLUMNS = (
    "idx, record, batch, dataset, subject, kind, object, size, seal, wrap, meta, commitment,"
    " quarantine"
)
_ALL = f"{_COLUMNS}, added_in, removed_in"
_SHOWN = "dataset = ? AND added_in <= ? AND (removed_in IS NULL OR removed_in > ?)"
"""Of a version: its dataset, then its number twice."""


class Record(NamedTuple):
    """One row of the record table; a named tuple, for they come by the hundred thousand."""

    place: int
    """Its place in the ledger, which is its order in every version."""
    record: RecordId
    batch: BatchId
    dataset: str
    subject: KeyId
    """A subject, or the collection that owns what belongs to many."""
    kind: str
    object: str | None
    """Name of the sealed bytes; None when nothing could be read."""
    size_bytes: int
    """Of the plaintext."""
    seal: bytes
    wrap: bytes
    meta: bytes
    """Sealed RecordMeta."""
    commitment: str | None
    quarantine: str | None
    """Why it takes no part in versions: a stable code."""
    added_in: int | None
    """The first version that shows it; None while its add is not finished."""
    removed_in: int | None
    """The first version that no longer shows it."""

    @property
    def key(self) -> KeyRef:
        """What opens it."""
        return KeyRef(self.subject, self.seal, self.wrap)

    def is_in(self, dataset: str, number: int) -> bool:
        """Whether that version shows it."""
        return (
            self.dataset == dataset
            and self.added_in is not None
            and self.added_in <= number
            and (self.removed_in is None or self.removed_in > number)
        )


@dataclass(frozen=True, slots=True)
class Holding:
    """What there is of one subject."""

    subject: SubjectId
    records: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record about to be written."""

    record: RecordId
    batch: BatchId
    dataset: str
    kind: str
    object: str | None
    size_bytes: int
    key: KeyRef
    meta: bytes
    commitment: str | None
    quarantine: str | None

    def body(self) -> dict[str, Any]:
        """The event body."""
        return {
            "batch": self.batch,
            "commitment": self.commitment,
            "dataset": self.dataset,
            "kind": self.kind,
            "meta": to_text(self.meta),
            "object": self.object,
            "quarantine": self.quarantine,
            "record": self.record,
            "seal": to_text(self.key.seal_id),
            "size": self.size_bytes,
            "subject": self.key.owner,
            "wrap": to_text(self.key.wrap),
        }


def record_added(recorded: Recorded) -> Iterator[Statement]:
    """A record exists; it becomes visible with its version."""
    body = recorded.event.body
    yield Statement(
        f"INSERT INTO record ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constant columns
        (
            recorded.index,
            body["record"],
            body["batch"],
            body["dataset"],
            body["subject"],
            body["kind"],
            body["object"],
            body["size"],
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            to_bytes(body["meta"]),
            body["commitment"],
            body["quarantine"],
        ),
    )


def find(tx: Transaction, record: str) -> Record:
    """The record named ``record`` or by a unique beginning of its name; raises NotFound."""
    rows = tx.query(
        f"SELECT {_ALL} FROM record WHERE record >= ? AND record < ? LIMIT 2",  # noqa: S608
        (record, record + "~"),
    )
    if len(rows) != 1:
        what = "no record" if not rows else "more than one record"
        raise NotFound(f"{what} begins with {record}", hint="see `cloister ls --records`")
    return _record(rows[0])


def of_version(tx: Transaction, dataset: str, number: int) -> list[Record]:
    """The records of one version, in ledger order."""
    return _select(
        tx,
        _SHOWN,
        (dataset, number, number),
    )


def page(tx: Transaction, dataset: str, number: int, after: int, most: int) -> list[Record]:
    """Up to ``most`` records of one version that come after a place in the ledger."""
    return _select(
        tx,
        f"{_SHOWN} AND idx > ?",
        (dataset, number, number, after),
        most,
    )


def added_since(tx: Transaction, dataset: str, place: int) -> list[Record]:
    """What versions committed after a place in the ledger were the first to show."""
    newer = "SELECT number FROM version WHERE dataset = ? AND idx > ?"
    return _select(tx, f"dataset = ? AND added_in IN ({newer})", (dataset, dataset, place))


def kinds(tx: Transaction, dataset: str, number: int) -> list[tuple[str, int, int]]:
    """(kind, records, bytes) of one version."""
    rows = tx.query(
        f"SELECT kind, COUNT(*), SUM(size) FROM record WHERE {_SHOWN}"  # noqa: S608
        " GROUP BY kind ORDER BY kind",
        (dataset, number, number),
    )
    return [(str(kind), int(count), int(size)) for kind, count, size in rows]


def owners(tx: Transaction, dataset: str, number: int) -> list[tuple[str, int]]:
    """(subject, records) of one version; the collection of its layouts is none."""
    rows = tx.query(
        f"SELECT subject FROM record WHERE {_SHOWN}",  # noqa: S608
        (dataset, number, number),
    )
    prefix = f"{SubjectId.prefix}_"  # counted here: the database would sort them all for it
    counted = Counter(map(itemgetter(0), rows))
    return [(str(name), count) for name, count in counted.items() if name.startswith(prefix)]


def of_batch(tx: Transaction, batch: str) -> list[Record]:
    """What one batch brought into versions, in ledger order."""
    return _select(tx, "batch = ? AND quarantine IS NULL", (batch,))


def of_subjects(tx: Transaction, subjects: Sequence[str]) -> list[Record]:
    """Every record of these subjects, quarantined and superseded ones too."""
    found: list[Record] = []
    for subject in subjects:
        found += _select(tx, "subject = ?", (subject,))
    return sorted(found)


def holdings(tx: Transaction) -> list[Holding]:
    """Every subject that has a record, quarantined ones included, by name."""
    rows = tx.query(
        "SELECT subject, COUNT(*), SUM(size) FROM record GROUP BY subject ORDER BY subject"
    )
    return [
        Holding(SubjectId(name), count, size)
        for name, count, size in rows
        if name.startswith(f"{SubjectId.prefix}_")
    ]


def quarantined(tx: Transaction, dataset: str) -> list[Record]:
    """What is set aside, in ledger order; what took its place since is no longer."""
    return _select(
        tx, "dataset = ? AND quarantine IS NOT NULL AND removed_in IS NULL", (dataset,)
    )


def unfinished(tx: Transaction, dataset: str) -> list[Record]:
    """Records of interrupted adds: sealed, but in no version yet."""
    return _select(tx, "dataset = ? AND added_in IS NULL AND quarantine IS NULL", (dataset,))


def sealed_unseen(tx: Transaction, dataset: str) -> int | None:
    """How many records an add that goes on, or was interrupted, has sealed so far.

    None where there is no such add.
    """
    [(number,)] = tx.query(
        "SELECT COUNT(*) FROM record"
        " WHERE dataset = ? AND added_in IS NULL AND quarantine IS NULL",
        (dataset,),
    )
    ever = (
        "SELECT 1 FROM record WHERE dataset = ? UNION ALL"
        " SELECT 1 FROM version WHERE dataset = ? LIMIT 1"
    )
    return int(number) if number or not tx.query(ever, (dataset, dataset)) else None


def by_object(tx: Transaction, name: str) -> Record | None:
    """Some record whose sealed bytes are this object."""
    rows = _select(tx, "object = ?", (name,))
    return rows[0] if rows else None


def _select(
    tx: Transaction, where: str, parameters: Sequence[str | int], most: int | None = None
) -> list[Record]:
    limit = "" if most is None else f" LIMIT {int(most)}"
    sql = f"SELECT {_ALL} FROM record WHERE {where} ORDER BY idx{limit}"  # noqa: S608
    return [_record(row) for row in tx.iterate(sql, parameters)]


def _record(row: Row) -> Record:
    fields = list(row)
    fields[4] = key_id(str(row[4]))
    return Record._make(fields)

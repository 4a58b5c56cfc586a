"""Immutable dataset versions: a number, a Merkle root, what joined and what left."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloister.core.canonical import canonical
from cloister.core.encoding import to_bytes
from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.ids import CollectionId
from cloister.core.values import KeyRef
from cloister.datasets.records import Record
from cloister.ledger.proofs import leaf_hash, root_of

SCHEMA = (
    "CREATE TABLE dataset (name TEXT PRIMARY KEY, collection TEXT NOT NULL,"
    " seal BLOB NOT NULL, wrap BLOB NOT NULL, source BLOB NOT NULL, created INTEGER NOT NULL)",
    "CREATE TABLE version (dataset TEXT NOT NULL, number INTEGER NOT NULL, root TEXT NOT NULL,"
    " records INTEGER NOT NULL, subjects INTEGER NOT NULL,"
    " size INTEGER NOT NULL, time TEXT NOT NULL, idx INTEGER NOT NULL,"
    " PRIMARY KEY (dataset, number))",
    "CREATE TABLE tag (dataset TEXT NOT NULL, tag TEXT NOT NULL, number INTEGER NOT NULL,"
    " PRIMARY KEY (dataset, tag))",
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named, growing set of records that came from one source folder."""

    name: str
    collection: CollectionId
    key: KeyRef
    source: bytes
    """The source folder's path, sealed under the collection's key."""


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One immutable state of a dataset."""

    dataset: str
    number: int
    root: str
    """Merkle root over its records and labels, hex: the version's identity."""
    records: int
    subjects: int
    size_bytes: int
    time: str
    place: int

    def __str__(self) -> str:
        return f"{self.dataset}@{self.number}"


@dataclass(frozen=True, slots=True)
class LabelMark:
    """A label as a version sees it."""

    label: str
    commitment: str


def dataset_created(recorded: Recorded) -> Iterator[Statement]:
    """A dataset has a name and a key of its own."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO dataset VALUES (?, ?, ?, ?, ?, ?)",
        (
            body["dataset"],
            body["collection"],
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            to_bytes(body["source"]),
            recorded.index,
        ),
    )


def version_committed(recorded: Recorded) -> Iterator[Statement]:
    """The records of these batches become visible; superseded ones leave."""
    event, body = recorded.event, recorded.event.body
    number, dataset = body["number"], body["dataset"]
    numbers = (body["records"], body["subjects"], body["size"])
    yield Statement(
        "INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (dataset, number, body["root"], *numbers, event.time, recorded.index),
    )
    for batch in body["batches"]:
        yield Statement(
            "UPDATE record SET added_in = ?"
            " WHERE batch = ? AND quarantine IS NULL AND added_in IS NULL",
            (number, batch),
        )
    for record in body["removed"]:
        yield Statement("UPDATE record SET removed_in = ? WHERE record = ?", (number, record))


def version_tagged(recorded: Recorded) -> Iterator[Statement]:
    """A name for a version; it may move later, and the ledger remembers from where."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO tag VALUES (?, ?, ?)"
        " ON CONFLICT (dataset, tag) DO UPDATE SET number = excluded.number",
        (body["dataset"], body["tag"], body["number"]),
    )


def leaf(record: Record, labels: Sequence[LabelMark]) -> bytes:
    """What a version's tree hashes of one record (docs/formats/dataset-version.md)."""
    return canonical(
        {
            "commitment": record.commitment,
            "labels": [
                {"commitment": mark.commitment, "label": mark.label}
                for mark in sorted(labels, key=lambda mark: mark.label)
            ],
            "meta": hashlib.sha256(record.meta).hexdigest(),
            "object": record.object,
            "record": record.record,
            "subject": record.subject,
        }
    )


def root(records: Sequence[Record], labels: Mapping[str, Sequence[LabelMark]]) -> str:
    """The Merkle root (RFC 6962 section 2.1) over ``records`` in ledger order, hex."""
    return root_of([leaf_hash(leaf(r, labels.get(r.record, ()))) for r in records]).hex()


def datasets(tx: Transaction) -> list[Dataset]:
    """All of them, by name."""
    rows = tx.query("SELECT name, collection, seal, wrap, source FROM dataset ORDER BY name")
    return [
        Dataset(name, CollectionId(col), KeyRef(CollectionId(col), seal, wrap), source)
        for name, col, seal, wrap, source in rows
    ]


def names_filled(tx: Transaction) -> set[str]:
    """Names of those that ever got a record; adds that did not come so far began the others."""
    rows = tx.query(
        "SELECT name FROM dataset WHERE EXISTS"
        " (SELECT 1 FROM record WHERE record.dataset = dataset.name)"
    )
    return {str(name) for (name,) in rows}


def latest(tx: Transaction, dataset: str) -> DatasetVersion | None:
    """The newest version, if there is any yet."""
    found = versions(tx, dataset)
    return found[-1] if found else None


def versions(tx: Transaction, dataset: str) -> list[DatasetVersion]:
    """All versions but those retracted, oldest first."""
    rows = tx.query(
        "SELECT dataset, number, root, records, subjects, size, time, idx FROM version"
        " WHERE dataset = ? AND number NOT IN"
        " (SELECT number FROM retraction WHERE dataset = version.dataset) ORDER BY number",
        (dataset,),
    )
    return [DatasetVersion(*row) for row in rows]


def tags(tx: Transaction, dataset: str) -> dict[int, list[str]]:
    """Number -> the names that stand for that version."""
    found: dict[int, list[str]] = {}
    for name, number in tx.query(
        "SELECT tag, number FROM tag WHERE dataset = ? ORDER BY tag", (dataset,)
    ):
        found.setdefault(int(number), []).append(str(name))
    return found


def next_number(tx: Transaction, dataset: str) -> int:
    """The number of the next version: one that no version had, retracted ones included."""
    [(last,)] = tx.query("SELECT MAX(number) FROM version WHERE dataset = ?", (dataset,))
    return 1 + (last or 0)


def resolve(
    tx: Transaction, reference: str, seen: Callable[[str], bool] | None = None
) -> DatasetVersion:
    """The version that ``name``, ``name@3`` or ``name@tag`` means; raises NotFound.

    Of the datasets that are ``seen``, where that is said: others are as if not there.
    """
    name, _, which = reference.partition("@")
    known = versions(tx, check_known(tx, name, seen))
    if not known:
        raise NotFound(
            f"{name} has no version: its add was interrupted or retracted, or all of it was"
            " set aside",
            hint=f"add its folder again, or see `cloister ls {name} --quarantine`",
        )
    if not which:
        return known[-1]
    if not (which.isascii() and which.isdecimal()):
        rows = tx.query("SELECT number FROM tag WHERE dataset = ? AND tag = ?", (name, which))
        which = str(rows[0][0]) if rows else "0"
    found = [version for version in known if version.number == int(which)]
    if not found:
        raise NotFound(f"there is no {reference}", hint=f"the newest is {known[-1]}")
    return found[0]


def check_known(tx: Transaction, name: str, seen: Callable[[str], bool] | None = None) -> str:
    """``name`` if a dataset has it that is ``seen``; raises NotFound."""
    names = [one.name for one in datasets(tx) if seen is None or seen(one.name)]
    if name not in names:
        listed = ", ".join(names) or "none yet"
        raise NotFound(f"no dataset named {name}", hint=f"datasets here: {listed}")
    return name


def check_name(name: str) -> str:
    """``name`` if it can name a dataset, tag, split or part; raises BadInput."""
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not (plain.isascii() and plain.isalnum() and name[0].isalpha() and len(name) <= 64):
        raise BadInput(
            "a name is a letter, then letters, digits, '-', '_' or '.', at most 64 in all",
            hint="names are not sealed: keep patient data out of them",
        )
    if name == "last" or re.match(r"(rec|run|sub|op)_", name):
        raise BadInput("a name like that means something else on the command line")
    return name

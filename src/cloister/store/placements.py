"""Where each sealed object lies: an index of the packs, rebuilt from them, never trusted.

A row that was altered leads to bytes that are not the object's hash, and so is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.db import Migration

_BATCH = 1000  # parameters of one statement; SQLite allows 32,766 and PostgreSQL 65,535

MIGRATIONS = (
    Migration(
        "store",
        1,
        (
            "CREATE TABLE placement ("
            " name TEXT PRIMARY KEY,"
            " blob TEXT NOT NULL,"
            " start_byte BIGINT NOT NULL,"
            " size_bytes BIGINT NOT NULL)",
            "CREATE INDEX placement_blob ON placement (blob, start_byte)",
            "CREATE TABLE object_pin ("
            " name TEXT NOT NULL,"
            " owner TEXT NOT NULL,"
            " PRIMARY KEY (name, owner))",
            "CREATE INDEX object_pin_owner ON object_pin (owner)",
            "CREATE TABLE object_hold (name TEXT PRIMARY KEY, reason TEXT NOT NULL)",
        ),
    ),
)

TABLES: tuple[str, ...] = ()
"""None is a projection of the ledger: the packs say the same, and scrub compares."""


class Placement(NamedTuple):
    """The bytes of one object; ordered as they lie. They come by the hundred thousand."""

    blob: str
    start_byte: int
    size_bytes: int
    name: str
    """SHA-256 of the sealed object, hex."""


def insert(tx: Transaction, placements: Iterable[Placement]) -> None:
    """Adds rows; an object that is placed already keeps its place."""
    tx.execute_many(
        "INSERT INTO placement (name, blob, start_byte, size_bytes) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (name) DO NOTHING",
        [(p.name, p.blob, p.start_byte, p.size_bytes) for p in placements],
    )


def replace(tx: Transaction, placement: Placement) -> None:
    """Corrects one row, or adds it."""
    remove(tx, [placement.name])
    insert(tx, [placement])


def remove(tx: Transaction, names: Iterable[str]) -> None:
    """Takes rows out; the bytes stay until they are collected."""
    tx.execute_many("DELETE FROM placement WHERE name = ?", [(name,) for name in names])


def find(tx: Transaction, names: Iterable[str]) -> dict[str, Placement]:
    """The placements of those names that have one."""
    return {p.name: p for p in _select(tx, "name", list(names))}


def locate(tx: Transaction, names: Iterable[str]) -> list[Placement]:
    """Every placement of ``names``, once each, as they lie; raises NotFound naming one."""
    wanted = set(names)
    found = find(tx, wanted)
    if missing := wanted - found.keys():
        raise NotFound(
            f"the store has no object {min(missing)} ({len(missing)} missing in all)",
            hint="if the database was restored, rebuild the placements from the packs",
        )
    return sorted(found.values())


def of_blobs(tx: Transaction, blobs: Sequence[str]) -> list[Placement]:
    """Every placement in these blobs."""
    return _select(tx, "blob", blobs)


def placed_blobs(tx: Transaction, keys: Sequence[str]) -> set[str]:
    """Those of these blobs that a row leads into."""
    found: set[str] = set()
    for some in batches(keys):
        rows = tx.query(
            f"SELECT DISTINCT blob FROM placement WHERE blob IN ({marks(some)})",  # noqa: S608
            some,
        )
        found.update(blob for (blob,) in rows)
    return found


def blobs(tx: Transaction, after: str | None) -> list[str]:
    """The next thousand blobs that rows lead to, in order; None asks for the first."""
    beyond, start = ("", ()) if after is None else (" WHERE blob > ?", (after,))
    rows = tx.query(
        f"SELECT DISTINCT blob FROM placement{beyond} ORDER BY blob LIMIT {_BATCH}",  # noqa: S608
        start,
    )
    return [blob for (blob,) in rows]


def total_bytes(tx: Transaction) -> int:
    """The size of all placed objects."""
    return int(tx.query("SELECT COALESCE(SUM(size_bytes), 0) FROM placement")[0][0])


def batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """``values`` in pieces that fit one statement."""
    for start in range(0, len(values), _BATCH):
        yield values[start : start + _BATCH]


def marks(values: Sequence[str]) -> str:
    """A placeholder for each value."""
    return ",".join("?" * len(values))


def _select(tx: Transaction, column: str, values: Sequence[str]) -> list[Placement]:
    found: list[Placement] = []
    for some in batches(values):
        rows = tx.query(
            "SELECT blob, start_byte, size_bytes, name FROM placement"  # noqa: S608 - ours
            f" WHERE {column} IN ({marks(some)})",
            some,
        )
        found += map(Placement._make, rows)
    return found

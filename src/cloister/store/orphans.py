"""Blobs nobody placed an object of: left by writers that failed, or by discarded objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from cloister.core.clock import Clock
from cloister.core.errors import BadInput, IntegrityError, NotFound, WriteOnce
from cloister.core.events import Transaction
from cloister.db import Database
from cloister.store import pins
from cloister.store.backend import Backend
from cloister.store.check import claimed_entries
from cloister.store.layout import NAMESPACES
from cloister.store.placements import placed_blobs

YOUNGEST = timedelta(days=1)
"""A writer has this long between its first byte and the transaction that places it."""
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Orphan:
    """A blob with bytes and no placement."""

    blob: str
    size_bytes: int
    written: datetime


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection freed, and what it had to leave."""

    blobs: int
    size_bytes: int
    kept: int
    """Too young, retained, pinned, under a hold, or damaged."""


def find_orphans(backend: Backend, database: Database) -> Iterator[Orphan]:
    """Every blob that no row leads into, in key order."""
    keys = (key for namespace in NAMESPACES for key in backend.list(f"{namespace}/"))
    while some := list(islice(keys, 1000)):
        with database.read() as tx:
            placed = placed_blobs(tx, some)
        for key in some:
            if key not in placed:
                with suppress(NotFound):  # collected meanwhile
                    stat = backend.stat(key)
                    yield Orphan(key, stat.size_bytes, stat.written)


def collect(
    backend: Backend, database: Database, clock: Clock, older_than: timedelta
) -> Collected:
    """Deletes orphans that are older than that and that nobody holds."""
    if older_than < YOUNGEST:
        raise BadInput("orphans are collected after a day: a writer may still place them")
    horizon = clock.now() - older_than
    blobs = size = kept = 0
    orphans = find_orphans(backend, database)
    while some := list(islice(orphans, _BATCH)):
        old = [orphan for orphan in some if orphan.written < horizon]
        gone = database.write(lambda tx, old=old: _delete(backend, tx, old))  # type: ignore[misc]
        blobs += len(gone)
        size += sum(orphan.size_bytes for orphan in gone)
        kept += len(some) - len(gone)
    return Collected(blobs, size, kept)


def _delete(backend: Backend, tx: Transaction, orphans: Sequence[Orphan]) -> list[Orphan]:
    """Inside a write transaction, so that none of them is being placed meanwhile."""
    placed = placed_blobs(tx, [orphan.blob for orphan in orphans])
    gone: list[Orphan] = []
    for orphan in orphans:
        if orphan.blob in placed or not _free(backend, tx, orphan.blob):
            continue
        with suppress(WriteOnce, NotFound):
            backend.delete(orphan.blob)
            gone.append(orphan)
    return gone


def _free(backend: Backend, tx: Transaction, blob: str) -> bool:
    """Whether nobody uses an object of the blob; unknown ones count as used."""
    try:
        names = [entry.name for entry in claimed_entries(backend, blob)]
    except (IntegrityError, NotFound):
        return False
    return not pins.in_use(tx, names)

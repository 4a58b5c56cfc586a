"""A ledger with a few blobs beside it, and keys that are held here: enough to back up."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloister.core.events import Event, Projection, Transaction, no_rows
from cloister.core.ids import CollectionId
from cloister.core.values import KeyGrant, KeyRef
from cloister.db import Database, open_database
from cloister.keys.signing import verify
from cloister.ledger import MIGRATIONS as LEDGER
from cloister.ledger import Ledger, LedgerReader
from cloister.recovery.chain import Chain
from cloister.recovery.shipping import Shipped, Shipper
from cloister.recovery.target import Target
from cloister.store import MIGRATIONS as STORE
from cloister.store import Backend, Store
from cloister.testing.backend import MemoryBackend
from tests.databases import database_uri
from tests.ledger.lab import LogKey

LAB = "lab_aaaaaaaaaaaaaaaa"
OWNER = CollectionId("col_aaaaaaaaaaaaaaaa")
PROJECTIONS: Mapping[str, Projection] = {"note.made": no_rows, "backup.saved": no_rows}


@dataclass
class Keys:
    """Object keys by their wrap; a key service that forgets nothing."""

    known: dict[bytes, bytes] = field(default_factory=dict)

    def grant(self) -> KeyGrant:
        granted = KeyGrant(OWNER, os.urandom(16), os.urandom(32), os.urandom(60))
        self.known[granted.wrap] = granted.object_key
        return granted

    def open(self, refs: Sequence[KeyRef]) -> list[bytes | None]:
        return [self.known.get(ref.wrap) for ref in refs]


@dataclass
class SmallLab:
    """Notes and objects, to be saved."""

    database: Database
    ledger: Ledger
    reader: LedgerReader
    backend: Backend
    store: Store
    keys: Keys = field(default_factory=Keys)

    def note(self, words: str, *objects: bytes) -> None:
        """One event, and the objects it is about."""
        with self.store.writer("raw") as writer:
            for content in objects:
                writer.add(content)
            placed = writer.flush()
        event = Event("note.made", "2026-05-04T12:00:00.000000Z", "per", "why", {"w": words})

        def write(tx: Transaction) -> None:
            self.store.place(tx, placed)
            self.ledger.append(tx, [event])

        self.database.write(write)

    def chain(self) -> Chain:
        return Chain(LAB, self.reader.key, verify)

    def shipper(self, target: Target, chain: Chain | None = None) -> Shipper:
        return Shipper(
            self.database,
            self.reader,
            self.store,
            target,
            chain or self.chain(),
            self.keys.grant,
            lambda: "2026-05-04T12:00:00.000000Z",
        )

    def ship(self, target: Target, chain: Chain | None = None) -> Shipped:
        return self.shipper(target, chain).ship({"cloister.toml": f'lab = "{LAB}"'})


@contextmanager
def small_lab(folder: Path, backend: Backend | None = None) -> Iterator[SmallLab]:
    key = LogKey(bytes(32))
    ledger = Ledger(key.public_key.name, key, PROJECTIONS, verify)
    path = database_uri(folder / "lab.db")
    database = open_database(path, (*LEDGER, *STORE), before_commit=ledger.seal)
    place = backend or MemoryBackend()
    store = Store(place, database)
    try:
        reader = LedgerReader(key.public_key, verify)
        yield SmallLab(database, ledger, reader, place, store)
    finally:
        store.close()
        database.close()

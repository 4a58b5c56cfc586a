"""A store in a folder, with what tests need to look behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloister.core.clock import Clock, SystemClock
from cloister.db import Database, open_database
from cloister.store import MIGRATIONS, Backend, FileBackend, Namespace, Placement, Store
from tests.databases import database_uri


@dataclass(frozen=True, slots=True)
class SmallStore:
    """A store, its parts and the folder they lie in."""

    folder: Path
    backend: Backend
    database: Database
    store: Store

    def keep(self, objects: Iterable[bytes], namespace: Namespace = "raw") -> list[str]:
        """Stores and places objects; gives their names."""
        with self.store.writer(namespace) as writer:
            names = [writer.add(sealed) for sealed in objects]
            self.place(writer.flush())
        return names

    def place(self, placements: list[Placement]) -> None:
        self.database.write(lambda tx: self.store.place(tx, placements))

    def placements(self) -> list[Placement]:
        """Every row, in the order of the bytes."""
        with self.database.read() as tx:
            rows = tx.query("SELECT blob, start_byte, size_bytes, name FROM placement")
        return sorted(Placement(*row) for row in rows)

    def placement(self, name: str) -> Placement:
        (found,) = [p for p in self.placements() if p.name == name]
        return found

    def path(self, blob: str) -> Path:
        """Where the file backend keeps a blob."""
        return self.folder / "store" / blob

    def sql(self, statement: str, *parameters: str | int) -> None:
        """Changes a row as an insider would."""
        self.database.write(lambda tx: tx.execute(statement, parameters))


@contextmanager
def small_store(
    folder: Path, clock: Clock | None = None, backend: Backend | None = None
) -> Iterator[SmallStore]:
    """The store in ``folder``, new or as it was left."""
    clock = clock or SystemClock()
    folder.mkdir(exist_ok=True)
    database = open_database(database_uri(folder / "lab.db"), MIGRATIONS)
    backend = backend or FileBackend.open(folder / "store", clock)
    store = Store(backend, database, clock=clock)
    try:
        yield SmallStore(folder, backend, database, store)
    finally:
        store.close()
        database.close()

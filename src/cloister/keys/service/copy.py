"""The second copy of the key store: every change is there before it is acknowledged.

A folder on another disk that is itself a usable keys folder. The key store's statements run on
both databases, and the copy commits first; so it holds every key that anybody was given. The
key store here is the true one: at each start, and whenever the copy was away, the copy is made
anew from it (docs/formats/key-store.md).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cloister.core.errors import CopyUnavailable
from cloister.core.files import private_folder, write_durably
from cloister.keys.providers._medium import UNREACHABLE, on_copy, unreachable

MARK = "second-copy"
"""Tells the copy's folder from an empty mount point: the lab and the copy's random id."""

_KEPT = 5000  # statements that wait for the next durable one
Rows = Sequence[Sequence[Any]]


class SecondCopy:
    """The database on the second target; the key store calls it under its own lock."""

    def __init__(
        self, folder: Path, identity: str, lab: str, mirror: Callable[[Path], Sequence[int]]
    ) -> None:
        self.folder = folder
        self.identity = identity
        self.why = "it was not looked at yet"
        self.cleared: tuple[int, ...] = ()
        """Epochs whose key `ready` destroyed on the copy, until somebody takes note of it."""
        self._lab = lab
        self._mirror = mirror
        self._path = folder / "keystore.db"
        self._connection: sqlite3.Connection | None = None
        self._inode = (0, 0)
        self._later: list[tuple[str, Rows]] = []
        self._direct = False

    @property
    def kept(self) -> bool:
        """Whether it is where it was when it was last written, in step."""
        return self._connection is not None and self._in_place()

    def begin_folder(self) -> None:
        """Makes the folder this copy's own; raises CopyUnavailable."""
        with on_copy():
            private_folder(self.folder)
            write_durably(self.folder / MARK, f"{self._lab} {self.identity}\n".encode())

    def ready(self, store: sqlite3.Connection) -> None:
        """Returns when the copy is in step with ``store``; raises CopyUnavailable."""
        if self.kept:
            return
        self.drop("it is not where it was")
        try:
            with _on_copy():
                self._check_mark()
                self._connect(store)
        except CopyUnavailable as error:
            self.drop(error.message.removeprefix(UNREACHABLE))
            raise
        self.why = ""

    def begin(self, *, direct: bool) -> None:
        """A transaction begins: its statements run here, too, or wait."""
        self._direct = direct
        if direct and self._connection is not None:
            with self._guarded():
                self._catch_up(self._connection)

    def note(self, sql: str, rows: Rows) -> None:
        """One statement of the transaction."""
        if self._connection is None:
            return
        if not self._direct:
            self._later.append((sql, rows))
            return
        with self._guarded():
            _run(self._connection, sql, rows)

    def commit(self) -> None:
        """About to commit: from here on it is durable on the copy; or CopyUnavailable."""
        if self._connection is None:
            return
        if self._direct:
            with self._guarded():
                self._settle(self._connection)
        elif len(self._later) > _KEPT:
            self.flush()

    def roll_back(self, waiting: int) -> None:
        """The transaction came to nothing; ``waiting`` statements had waited before it."""
        if self._connection is None:
            return
        if self._direct and self._connection.in_transaction:
            with suppress(CopyUnavailable), self._guarded():
                self._connection.execute("ROLLBACK")
        elif self._direct:
            self.drop("it has a change that failed here")
        else:
            del self._later[waiting:]

    @property
    def waiting(self) -> int:
        """How many statements wait."""
        return len(self._later)

    def flush(self) -> None:
        """Writes what waits; what fails is made up for by the next `ready`."""
        if self._connection is None or not self._later:
            return
        with suppress(CopyUnavailable), self._guarded():
            self._catch_up(self._connection)
            self._settle(self._connection)

    def drop(self, why: str) -> None:
        """Lets go of it, and remembers that it has to be made anew."""
        self.why = why
        self._later.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        """Writes what waits and lets go."""
        self.flush()
        self.drop("the key service has stopped")

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        """Begins a transaction with what had to wait."""
        connection.execute("BEGIN IMMEDIATE")
        for sql, rows in self._later:
            _run(connection, sql, rows)

    def _settle(self, connection: sqlite3.Connection) -> None:
        # A database that was moved, deleted or unmounted would take writes all the same.
        if not self._in_place():
            raise unreachable("its disk went away")
        connection.execute("COMMIT")
        self._later.clear()

    def _check_mark(self) -> None:
        try:
            found = (self.folder / MARK).read_text().split()
        except FileNotFoundError as error:
            raise unreachable("its folder is not there, or its disk is not mounted") from error
        if found != [self._lab, self.identity]:
            raise unreachable("another copy lies in its place")

    def _in_place(self) -> bool:
        try:
            found = self._path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._inode

    def _connect(self, store: sqlite3.Connection) -> None:
        created = not self._path.exists()
        if created:
            self._path.touch(mode=0o600)
        connection = _opened(self._path)
        try:
            if created or not self._in_step(connection, store):
                store.backup(connection)
            self.cleared += tuple(self._mirror(self.folder))
        except BaseException:
            connection.close()
            raise
        found = self._path.stat()
        self._inode = (found.st_dev, found.st_ino)
        self._connection = connection
        _sync_folder(self.folder)

    def _in_step(self, copy: sqlite3.Connection, store: sqlite3.Connection) -> bool:
        """Whether both hold the same; raises CopyUnavailable when the copy knows more.

        It is one transaction ahead after a kill between its commit and ours: nobody was told
        of that one. More means that an older key store was put in the place of a newer.
        """
        try:
            there, here = _changes(copy), _changes(store)
        except sqlite3.DatabaseError:  # damaged, or never finished
            copy.close()
            raise unreachable(
                "its key store is damaged; remove keystore.db there, and it is made anew"
            ) from None
        if there is not None and (here is None or there > here + 1):
            raise unreachable(
                "it is newer than the key store here: restore the keys folder from it"
            )
        return there == here

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with _on_copy():
                yield
        except CopyUnavailable as error:
            self.drop(error.message.removeprefix(UNREACHABLE))
            raise


def _run(connection: sqlite3.Connection, sql: str, rows: Rows) -> None:
    if sql.startswith(("INSERT", "UPDATE", "DELETE")):
        connection.executemany(sql, rows)
    else:
        connection.execute(sql)


def _changes(connection: sqlite3.Connection) -> int | None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchall():
        return None
    rows = connection.execute("SELECT value FROM meta WHERE name = 'changes'").fetchall()
    return int(rows[0][0]) if rows else None


@contextmanager
def _on_copy() -> Iterator[None]:
    with on_copy():
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
            raise unreachable(f"its disk failed ({name})") from error


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    for pragma in (
        # Alone at it, SQLite needs no shared memory, which a network mount cannot give.
        "locking_mode = EXCLUSIVE",
        "journal_mode = WAL",
        "synchronous = FULL",
        "temp_store = MEMORY",
        "journal_size_limit = 8388608",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

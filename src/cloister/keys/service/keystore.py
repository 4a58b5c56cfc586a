"""keystore.db: every owner's key, sealed under the epoch KEK (docs/formats/key-store.md)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cloister.core.errors import DurabilityLost, IntegrityError, KeyMissing, NoSpace
from cloister.keys.service.copy import SecondCopy

VERSION = 1
COPIED = 2
"""The version of a store that has a second copy: earlier programs would not keep it."""

_PARAMETERS = 500  # to a statement; SQLite of 2014 took 999

_COUNT = "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'changes'"
_INDEX = "CREATE UNIQUE INDEX owner_mac ON owner (mac)"
_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # sealed and mac are NULL once the key is destroyed; the id stays, so that "erased" can be
    # told from "never known".
    "CREATE TABLE owner (id TEXT PRIMARY KEY, sealed BLOB, mac BLOB,"
    " erased_epoch INTEGER) WITHOUT ROWID",
    _INDEX,
    "CREATE TABLE fingerprint (owner TEXT NOT NULL, mac BLOB NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY (owner, mac)) WITHOUT ROWID",
    "CREATE TABLE service (name TEXT PRIMARY KEY, public BLOB NOT NULL, sealed BLOB NOT NULL)"
    " WITHOUT ROWID",
    "CREATE TABLE journal (number INTEGER PRIMARY KEY, time TEXT NOT NULL,"
    " uid INTEGER NOT NULL, purpose TEXT NOT NULL, verb TEXT NOT NULL, outcome TEXT NOT NULL,"
    " count INTEGER NOT NULL, owners TEXT NOT NULL, digest BLOB NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """One owner as stored; `sealed` is None once its key was destroyed."""

    id: str
    sealed: bytes | None
    mac: bytes | None


class KeyStore:
    """The tables, one transaction at a time; any number of threads may call it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self._copy: SecondCopy | None = None
        self._syncs: bool | None = None
        """Whether commits reach stable storage, as the connection was told last."""

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new, empty key store."""
        store = cls(_connect(path, "rwc"))
        path.chmod(0o600)
        with store._guarded():
            store._connection.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                store._connection.execute(statement)
            store.set_meta("version", str(VERSION))
            store._connection.execute("COMMIT")
        return store

    @classmethod
    def open(cls, path: Path) -> Self:
        """The key store at ``path``; raises KeyMissing, IntegrityError when it is damaged."""
        if not path.exists():
            raise KeyMissing(
                "keystore.db is not in the keys folder",
                hint="restore the keys folder from its second copy",
            )
        store = cls(_connect(path, "rw"))
        if store.meta("version") not in {str(VERSION), str(COPIED)}:
            store.close()
            raise IntegrityError("keystore.db: not a version 1 or 2 key store")
        return store

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self, *, durable: bool = True, vital: bool = True) -> Iterator[None]:
        """All writes inside commit together; on stable storage at its end if ``durable``.

        A transaction that is not durable survives a killed process, not a power failure; any
        later durable one makes it durable too. One that is ``vital`` as well is on the second
        copy before it commits. Raises NoSpace; CopyUnavailable, with nothing changed; or
        DurabilityLost, after which the process must stop.
        """
        with self._lock, self._guarded():
            if durable and vital:
                self.ready_copy()
            waiting = self._copy.waiting if self._copy else 0
            if durable is not self._syncs:
                self._connection.execute(
                    f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}"
                )
                self._syncs = durable
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if self._copy:
                    self._copy.begin(direct=durable and vital)
                self._execute(_COUNT, ())
                yield
                if self._copy:
                    self._copy.commit()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if self._copy:
                    self._copy.roll_back(waiting)
                raise

    def keep_copy(self, copy: SecondCopy | None) -> None:
        """Writes to this second copy from now on, or to none."""
        with self._lock:
            if self._copy is not None and self._copy is not copy:
                self._copy.close()
            self._copy = copy

    def ready_copy(self) -> None:
        """Returns when the second copy, if one is kept, is in step; or CopyUnavailable."""
        with self._lock:
            if self._copy is not None:
                self._copy.ready(self._connection)

    def flush_copy(self) -> None:
        """Writes to the second copy what waits for the next vital change."""
        with self._lock:
            if self._copy is not None:
                self._copy.flush()

    def meta(self, name: str) -> str:
        """A fact about the whole store; empty when it is not known."""
        row = self._one("SELECT value FROM meta WHERE name = ?", (name,))
        return "" if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        """Sets such a fact."""
        self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    @property
    def epoch(self) -> int:
        """Under whose KEK the rows are sealed."""
        return int(self.meta("epoch"))

    def owners(self, names: Sequence[str]) -> dict[str, OwnerRow]:
        """Those of the owners that were ever known."""
        return {row[0]: OwnerRow(*row) for row in self._among("id", names)}

    def owners_by_mac(self, macs: Sequence[bytes]) -> dict[bytes, str]:
        """The subjects with these identities."""
        return {row[2]: row[0] for row in self._among("mac", macs)}

    def owners_after(self, name: str, limit: int) -> list[OwnerRow]:
        """Live owners in id order, from beyond ``name``."""
        rows = self._all(
            "SELECT id, sealed, mac FROM owner WHERE id > ? AND sealed IS NOT NULL"
            " ORDER BY id LIMIT ?",
            (name, limit),
        )
        return [OwnerRow(*row) for row in rows]

    def live_owners(self) -> int:
        """How many keys there are, the service's own among them."""
        row = self._one("SELECT count(*) FROM owner WHERE sealed IS NOT NULL", ())
        return 0 if row is None else int(row[0])

    def add_owners(self, rows: Iterable[OwnerRow]) -> None:
        """New owners."""
        self._many(
            "INSERT INTO owner (id, sealed, mac) VALUES (?, ?, ?)",
            ((row.id, row.sealed, row.mac) for row in rows),
        )

    @contextmanager
    def resealing(self) -> Iterator[None]:
        """Around replacing every owner: making the index anew is three times as fast."""
        self._execute("DROP INDEX owner_mac", ())
        yield
        self._execute(_INDEX, ())

    def replace_owners(self, rows: Iterable[OwnerRow]) -> None:
        """The same owners, sealed anew."""
        self._many(
            "UPDATE owner SET sealed = ?, mac = ? WHERE id = ?",
            ((row.sealed, row.mac, row.id) for row in rows),
        )

    def destroy_owners(self, names: Sequence[str], epoch: int) -> None:
        """Leaves of these owners nothing but the fact that they were erased."""
        self._many(
            "UPDATE owner SET sealed = NULL, mac = NULL, erased_epoch = ? WHERE id = ?",
            ((epoch, name) for name in names),
        )
        self._many("DELETE FROM fingerprint WHERE owner = ?", ((name,) for name in names))

    def fingerprints(self, wanted: Sequence[tuple[str, bytes]]) -> dict[tuple[str, bytes], str]:
        """The objects that hold these plaintexts, by owner and MAC; only those there are."""
        found: dict[tuple[str, bytes], str] = {}
        for start in range(0, len(wanted), _PARAMETERS // 2):
            part = wanted[start : start + _PARAMETERS // 2]
            pairs = ",".join(["(?,?)"] * len(part))
            rows = self._all(
                f"WITH wanted (owner, mac) AS (VALUES {pairs})"  # noqa: S608 - marks only
                # CROSS JOIN: look each one up, rather than read the whole table.
                " SELECT owner, mac, name FROM wanted CROSS JOIN fingerprint"
                " USING (owner, mac)",
                [value for pair in part for value in pair],
            )
            found.update(((owner, mac), name) for owner, mac, name in rows)
        return found

    def add_fingerprints(self, rows: Iterable[tuple[str, bytes, str]]) -> None:
        """Remembers (owner, mac, object name); the last one wins."""
        self._many("INSERT OR REPLACE INTO fingerprint VALUES (?, ?, ?)", rows)

    def service_key(self, name: str) -> tuple[bytes, bytes] | None:
        """Public part and sealed private part of one of the lab's own keys."""
        row = self._one("SELECT public, sealed FROM service WHERE name = ?", (name,))
        return None if row is None else (bytes(row[0]), bytes(row[1]))

    def add_service_key(self, name: str, public: bytes, sealed: bytes) -> None:
        """Keeps one of the lab's own keys."""
        self._execute("INSERT INTO service VALUES (?, ?, ?)", (name, public, sealed))

    def add_journal(self, row: tuple[Any, ...]) -> None:
        """One journal entry, its number first."""
        self._execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def journal_after(self, number: int, limit: int) -> list[tuple[Any, ...]]:
        """Entries in order, from beyond ``number``."""
        return self._all(
            "SELECT * FROM journal WHERE number > ? ORDER BY number LIMIT ?", (number, limit)
        )

    def journal_tail(self) -> tuple[int, bytes]:
        """Number and digest of the last entry; 0 and no bytes before the first."""
        row = self._one("SELECT number, digest FROM journal ORDER BY number DESC LIMIT 1", ())
        return (0, b"") if row is None else (int(row[0]), bytes(row[1]))

    def delete_meta(self, names: Iterable[str]) -> None:
        """Forgets such facts."""
        self._many("DELETE FROM meta WHERE name = ?", ((name,) for name in names))

    def _among(self, column: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for start in range(0, len(values), _PARAMETERS):
            part = values[start : start + _PARAMETERS]
            marks = ",".join("?" * len(part))
            rows += self._all(
                f"SELECT id, sealed, mac FROM owner WHERE {column} IN ({marks})",  # noqa: S608 - marks only
                part,
            )
        return rows

    def _one(self, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
        rows = self._all(sql, parameters)
        return rows[0] if rows else None

    def _all(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise _translated(error) from error

    def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        with self._lock:
            self._connection.execute(sql, parameters)
            if self._copy:
                self._copy.note(sql, [parameters])

    def _many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._lock:
            if self._copy:
                rows = list(rows)
                self._copy.note(sql, rows)
            self._connection.executemany(sql, rows)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _translated(error) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = path.absolute().as_uri() + f"?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA journal_size_limit=8388608")
        connection.execute("PRAGMA cache_size=-8192")
    except sqlite3.Error as error:
        connection.close()
        raise _translated(error) from error
    return connection


def _translated(error: sqlite3.Error) -> DurabilityLost | NoSpace | IntegrityError:
    name = getattr(error, "sqlite_errorname", "")
    if name in {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}:  # both before anything is committed
        return NoSpace("no space left for the key store; nothing was changed")
    if name.startswith("SQLITE_IOERR"):
        return DurabilityLost(f"keystore.db: the disk failed ({name})")
    return IntegrityError(f"keystore.db: damaged or not a key store ({name})")

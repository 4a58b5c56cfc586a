"""The embedded engine: one SQLite file in WAL mode, one writer, readers that never wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from cloister.core.errors import BadInput, DatabaseDamaged, DurabilityLost
from cloister.core.events import Transaction
from cloister.db.database import Database
from cloister.db.group import GroupCommit, Ticket, fail, settle
from cloister.db.migrations import Migration, applied_steps, migrate, pending
from cloister.db.snapshot import snapshot
from cloister.db.sqlite_connection import (
    MEMORY,
    begin_immediate,
    connect,
    connect_writer,
    create_file,
)
from cloister.db.sqlite_errors import translated
from cloister.db.sqlite_readers import ReaderPool, Readers, WriterShared
from cloister.db.sqlite_transaction import SqliteTransaction

T = TypeVar("T")


class SqliteDatabase:
    """`Database` over one file. See there for what it guarantees.

    Several processes may write the same file: each transaction begins by taking SQLite's
    write lock, so it sees all that others committed. Never carried across a fork.
    """

    def __init__(
        self,
        writer: sqlite3.Connection,
        before_commit: Callable[[Transaction], None] | None,
        after_commit: Callable[[], None] | None,
    ) -> None:
        self._writer = writer
        self._before_commit = before_commit
        self._after_commit = after_commit
        self._group = GroupCommit(self._commit)
        self._readers: Readers = WriterShared(writer, self._group)
        self._lost: DurabilityLost | None = None
        self._deciding = False  # from here to the end of COMMIT only SQLite knows the outcome

    def read_through(self, readers: Readers) -> None:
        """Reads on connections of their own from now on, beside the writer."""
        self._readers = readers

    def write(self, operation: Callable[[Transaction], T]) -> T:
        """What ``operation`` returned, once it is durable; raises what it raised."""
        return self._group.submit(operation)

    def write_each(
        self, operations: Sequence[Callable[[Transaction], T]]
    ) -> list[Callable[[], T]]:
        """Each as `write` would, side by side: what gives its result, or raises its error."""
        return self._group.submit_each(operations)

    def read(self) -> AbstractContextManager[Transaction]:
        """A consistent snapshot, as of the first query; it never waits for writers."""
        return self._readers.snapshot()

    def check(self) -> list[str]:
        """What SQLite's own check of pages and indexes finds; empty when sound."""
        try:
            with self.read() as transaction:
                found = [str(row[0]) for row in transaction.query("PRAGMA integrity_check(20)")]
        except DatabaseDamaged as error:  # too broken to be checked to the end
            return [error.message]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        """Lets go of the file; operations under way finish first."""
        self._readers.close()
        with self._group.lock:
            self._writer.close()

    def _commit(self, batch: Sequence[Ticket]) -> None:
        """One transaction for the whole batch: every ticket is settled when it returns."""
        if self._lost is not None:
            fail(batch, self._lost)
            return
        transaction = SqliteTransaction(self._writer)
        self._deciding = False
        try:
            self._write_through(transaction, batch)
            settle(batch)
        except Exception as error:  # noqa: BLE001 - handed to every caller of this commit
            self._roll_back()
            fail(batch, self._judged(error))
            return
        except BaseException:
            # Ctrl-C is told when the disk is done, so perhaps after the commit: the others'
            # operations must not run twice.
            if self._deciding and not self._writer.in_transaction:
                settle(batch)
            self._roll_back()
            raise
        finally:
            transaction.end()
        if self._after_commit is not None:
            self._after_commit()

    def _write_through(self, transaction: SqliteTransaction, batch: Sequence[Ticket]) -> None:
        self._roll_back()  # what an interrupt left open
        begin_immediate(self._writer)
        went_through = [self._run(transaction, ticket) for ticket in batch]
        if any(went_through) and self._before_commit is not None:
            self._before_commit(transaction)
        self._deciding = True
        self._writer.execute("COMMIT")

    def _run(self, transaction: SqliteTransaction, ticket: Ticket) -> bool:
        self._writer.execute("SAVEPOINT operation")
        went_through = ticket.run(transaction)
        if not went_through:
            lost = isinstance(ticket.error, DurabilityLost)
            if ticket.error is not None and (lost or not self._writer.in_transaction):
                raise ticket.error  # a failing or full disk: the others are undone as well
            self._writer.execute("ROLLBACK TO operation")
        self._writer.execute("RELEASE operation")
        return went_through

    def _roll_back(self) -> None:
        if not self._writer.in_transaction:
            return
        try:
            self._writer.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._lost = DurabilityLost(f"the database could not undo a change ({error})")

    def _judged(self, error: Exception) -> Exception:
        verdict = translated(error) if isinstance(error, sqlite3.Error) else error
        if isinstance(verdict, DurabilityLost):
            # The kernel may have dropped the very pages it could not write: a later fsync
            # that succeeds proves nothing about them.
            self._lost = verdict
        return verdict


def open_sqlite(
    path: str,
    migrations: Sequence[Migration],
    *,
    before_commit: Callable[[Transaction], None] | None = None,
    after_commit: Callable[[], None] | None = None,
    read_only: bool = False,
    on_upgrade: Callable[[str], None] | None = None,
) -> Database:
    """The database in the file at ``path``, migrated; see `open_database`."""
    if not read_only:
        create_file(path)
    writer = connect(path, read_only=True) if read_only else connect_writer(path)
    database = SqliteDatabase(writer, before_commit, after_commit)
    if path != MEMORY:
        database.read_through(ReaderPool(lambda: _connect_reader(path, read_only=read_only)))
    try:
        if read_only:
            _require_last(writer, migrations)
        elif (before := _bring_up(writer, migrations, path)) and on_upgrade is not None:
            on_upgrade(str(before))
    except BaseException:
        database.close()
        raise
    return database


def is_behind(path: Path, migrations: Sequence[Migration]) -> bool:
    """Whether an earlier release wrote it; raises BadInput for a later one's."""
    reader = connect(str(path), read_only=True)
    try:
        return bool(pending(SqliteTransaction(reader), migrations))
    finally:
        reader.close()


def _connect_reader(path: str, *, read_only: bool) -> sqlite3.Connection:
    connection = connect(path, read_only=read_only)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _require_last(reader: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    if missing := pending(SqliteTransaction(reader), migrations):
        raise BadInput(
            f"the database lacks {len(missing)} migrations of this program",
            hint="an earlier release wrote it: `cloister ls` brings it up to date",
        )


def _bring_up(
    writer: sqlite3.Connection, migrations: Sequence[Migration], path: str
) -> Path | None:
    """Migrates before the first hook may run: a migration is not an event.

    Gives the snapshot it made of a database that an earlier release wrote.
    """
    transaction = SqliteTransaction(writer)
    before = None
    try:
        begin_immediate(writer)
        applied = applied_steps(transaction)
        if applied and path != MEMORY and pending(transaction, migrations):
            before = Path(f"{path}.before-{applied}")
            snapshot(Path(path), before)
        migrate(transaction, migrations)
        writer.execute("COMMIT")
    except sqlite3.Error as error:
        raise translated(error) from error
    finally:
        transaction.end()
    return before

"""The engine for many boxes: a PostgreSQL server, one writer at a time, readers beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from cloister.core.errors import CloisterError, DurabilityLost, NotAllowed
from cloister.core.events import Transaction
from cloister.db.database import Database
from cloister.db.group import GroupCommit, Ticket, fail, settle
from cloister.db.migrations import Migration
from cloister.db.postgresql_check import damage
from cloister.db.postgresql_connection import Pauses
from cloister.db.postgresql_errors import down
from cloister.db.postgresql_health import weaknesses
from cloister.db.postgresql_migrations import bring_up, claim, release, require_last
from cloister.db.postgresql_place import Place, parse_place
from cloister.db.postgresql_readers import PostgresReaders
from cloister.db.postgresql_transaction import PostgresTransaction
from cloister.db.postgresql_writer import Interrupted, PostgresWriter

__all__ = [
    "PostgresDatabase",
    "claim",
    "open_postgresql",
    "parse_place",
    "release",
    "weaknesses",
]

T = TypeVar("T")
RETRY_S = 30.0
"""How long a write waits for a server that went away before anything was committed."""


class PostgresDatabase:
    """`Database` over one schema of a server. See there for what it guarantees.

    Any number of processes and boxes may write it: each transaction begins by taking the one
    lock of the schema, so it sees all that others committed. A server that is restarted is
    waited for: what was not committed is done again, what was is not. Never carried across a
    fork.
    """

    def __init__(
        self,
        place: Place,
        before_commit: Callable[[Transaction], None] | None,
        after_commit: Callable[[], None] | None,
        *,
        read_only: bool,
    ) -> None:
        self._place = place
        self._before_commit = before_commit
        self._after_commit = after_commit
        self._read_only = read_only
        self._group = GroupCommit(self._commit)
        self._writer = PostgresWriter(place)
        self._readers = PostgresReaders(place)
        self._lost: DurabilityLost | None = None

    def write(self, operation: Callable[[Transaction], T]) -> T:
        """What ``operation`` returned, once it is durable; raises what it raised."""
        self._require_writable()
        return self._group.submit(operation)

    def write_each(
        self, operations: Sequence[Callable[[Transaction], T]]
    ) -> list[Callable[[], T]]:
        """Each as `write` would, side by side: what gives its result, or raises its error."""
        self._require_writable()
        return self._group.submit_each(operations)

    def read(self) -> AbstractContextManager[Transaction]:
        """A consistent snapshot, as of the first query; it never waits for writers."""
        return self._readers.snapshot()

    def check(self) -> list[str]:
        """What the server finds when it reads every row and every index; empty when sound."""
        with self.read() as transaction:
            return damage(transaction, self._place.schema)

    def close(self) -> None:
        """Lets go of the server; operations under way finish first."""
        self._readers.close()
        with self._group.lock:
            self._writer.close()

    def _require_writable(self) -> None:
        if self._read_only:
            raise NotAllowed("the database is open for reading only")

    def _commit(self, batch: Sequence[Ticket]) -> None:
        """One transaction for the whole batch: every ticket is settled when it returns."""
        if self._lost is not None:
            fail(batch, self._lost)
            return
        pauses = Pauses(RETRY_S)
        while True:
            try:
                self._attempt(batch)
                break
            except Interrupted as interrupted:
                if not pauses.wait():
                    fail(batch, interrupted.meaning)
                    return
            except Exception as error:  # noqa: BLE001 - handed to every caller of this commit
                if isinstance(error, DurabilityLost):
                    self._lost = error
                fail(batch, error)
                return
        if self._after_commit is not None:
            self._after_commit()

    def _attempt(self, batch: Sequence[Ticket]) -> None:
        """Settles the batch, or raises and has changed nothing; but see DurabilityLost."""
        transaction = self._writer.begin()
        try:
            went_through = [self._run(transaction, ticket) for ticket in batch]
            if any(went_through):
                if self._before_commit is not None:
                    self._before_commit(transaction)
                self._writer.commit(transaction)
            else:
                self._writer.abandon()  # nothing to keep; and the lock is others' now
            settle(batch)
        except Interrupted:
            raise
        except Exception as error:
            gone = self._writer.is_gone and not isinstance(error, DurabilityLost)
            self._writer.abandon()
            if gone:
                meaning = error if isinstance(error, CloisterError) else down()
                raise Interrupted(meaning) from error
            raise
        except BaseException:
            self._settle_interrupted(batch)
            self._writer.abandon()
            raise
        finally:
            transaction.end()

    def _settle_interrupted(self, batch: Sequence[Ticket]) -> None:
        """After Ctrl-C in the middle of a commit the others' operations must not run twice."""
        try:
            if self._writer.is_committed():
                settle(batch)
        except BaseException as error:  # noqa: BLE001 - nobody waits for the server to say
            self._lost = DurabilityLost("a commit was given up before its outcome was known")
            self._lost.__cause__ = error
            fail(batch, self._lost)

    def _run(self, transaction: PostgresTransaction, ticket: Ticket) -> bool:
        transaction.execute("SAVEPOINT operation")
        went_through = ticket.run(transaction)
        if went_through and transaction.has_failed:
            ticket.error = RuntimeError("an error of the database was swallowed: use savepoint")
            went_through = False
        if not went_through:
            if isinstance(ticket.error, DurabilityLost):
                raise ticket.error  # a failing disk: the others are undone as well
            transaction.execute("ROLLBACK TO operation")
        transaction.execute("RELEASE operation")
        return went_through


def open_postgresql(
    uri: str,
    migrations: Sequence[Migration],
    *,
    before_commit: Callable[[Transaction], None] | None = None,
    after_commit: Callable[[], None] | None = None,
    read_only: bool = False,
    on_upgrade: Callable[[str], None] | None = None,
) -> Database:
    """The database at ``uri``, migrated; see `open_database`."""
    place = parse_place(uri)
    if read_only:
        require_last(place, migrations)
    elif (before := bring_up(place, migrations)) is not None and on_upgrade is not None:
        on_upgrade(before)
    return PostgresDatabase(place, before_commit, after_commit, read_only=read_only)

"""The session that writes: one transaction at a time in the whole database, and its outcome."""

from __future__ import annotations

import contextlib
import hashlib
import secrets

import psycopg

from cloister.core.errors import DatabaseDown, DurabilityLost
from cloister.db.postgresql_connection import Pauses, Session, connect, run_together
from cloister.db.postgresql_errors import is_lost, translated
from cloister.db.postgresql_place import Place
from cloister.db.postgresql_transaction import PostgresTransaction, is_open

DECIDE_S = 30.0
"""How long to ask a server that went away in the middle of a commit what became of it."""
MARKS = (
    "CREATE TABLE commit_mark (writer TEXT PRIMARY KEY, number BIGINT NOT NULL,"
    " made TIMESTAMPTZ NOT NULL)"
)
"""Each writer's last commit: no part of the record, but what tells an outcome."""
_TIDY = "DELETE FROM commit_mark WHERE made < now() - interval '1 day'"


class Interrupted(Exception):
    """The server went away and nothing was committed: all of it may be done again."""

    def __init__(self, meaning: Exception) -> None:
        super().__init__(str(meaning))
        self.meaning = meaning


class PostgresWriter:
    """Begins and ends transactions, under a lock that every writer of the schema takes.

    The lock goes with the transaction, and the transaction with its session: whoever has the
    lock sees all that was ever acknowledged, and no earlier commit is still under way.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._session: Session | None = None
        self._name = secrets.token_hex(16)
        self._number = 0
        self._deciding = False
        self._tidied = False
        self._begin = f"BEGIN; SELECT pg_advisory_xact_lock({lock_key(place)})"

    def begin(self) -> PostgresTransaction:
        """A transaction that sees all others; raises Interrupted, Conflict, DatabaseDown."""
        self._deciding = False
        session = self._rested()
        self._number += 1
        try:
            run_together(session, self._begin)
        except psycopg.Error as error:
            raise self._judged(error) from error
        return PostgresTransaction(session)

    @property
    def is_gone(self) -> bool:
        """Whether the server ended the session."""
        return self._session is None or self._session.closed

    def commit(self, transaction: PostgresTransaction) -> None:
        """Makes it durable, and leaves a mark that says so.

        Raises Interrupted when nothing was committed, DurabilityLost when nobody can say.
        """
        waiting = transaction.waiting() + ("" if self._tidied else f"{_TIDY}; ")
        self._deciding = True
        mark = (
            f"{waiting}INSERT INTO commit_mark (writer, number, made)"  # noqa: S608 - our own
            f" VALUES ('{self._name}', {self._number}, now()) ON CONFLICT (writer)"
            " DO UPDATE SET number = excluded.number, made = excluded.made; COMMIT"
        )
        try:
            run_together(self._live(), mark)
        except psycopg.Error as error:
            if not self.is_committed():
                raise self._judged(error) from error
        self._tidied = True

    def is_committed(self) -> bool:
        """Whether what was begun last is in the database; raises DurabilityLost.

        After an answer that never came, the server is asked: who gets the lock comes after
        whoever had it, and the mark is part of the very transaction in doubt.
        """
        if not self._deciding:
            return False
        if self._session is not None and is_open(self._session):
            return False
        self.close()  # whatever it still does ends now, and lets go of the lock
        pauses = Pauses(DECIDE_S)
        while True:
            try:
                return self._ask()
            except (psycopg.Error, DatabaseDown) as error:
                if not pauses.wait():
                    raise DurabilityLost(
                        "the database server went away in the middle of a commit: the last"
                        " change may be lost",
                        hint="bring the server back, then start again",
                    ) from error

    def abandon(self) -> None:
        """Undoes what is under way; a session that cannot is closed, and so undone."""
        session = self._session
        if session is None or (not session.closed and not is_open(session)):
            return
        try:
            session.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    def close(self) -> None:
        """Lets go of the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _rested(self) -> Session:
        """The session, outside any transaction; a new one in place of one that is gone."""
        self.abandon()
        if self._session is None or self._session.closed:
            try:
                self._session = connect(self._place, read_only=False)
            except DatabaseDown as error:
                raise Interrupted(error) from error
        return self._session

    def _ask(self) -> bool:
        """Writes, so that the answer is as durable as what it is about."""
        with contextlib.closing(connect(self._place, read_only=False)) as session:
            run_together(session, self._begin)
            found = session.execute(
                "UPDATE commit_mark SET made = now() WHERE writer = $1 AND number = $2",
                (self._name, self._number),
            ).rowcount
            session.execute("COMMIT")
        return found == 1

    def _live(self) -> Session:
        if self._session is None:
            raise Interrupted(DatabaseDown("the session with the database server is closed"))
        return self._session

    def _judged(self, error: psycopg.Error) -> Exception:
        meaning = translated(error)
        if is_lost(error) or self._live().closed:
            self.close()
            return Interrupted(meaning)
        return meaning


def lock_key(place: Place) -> int:
    """The number of the lock that the writers of this schema share."""
    digest = hashlib.sha256(f"cloister writer {place.schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)

"""Sessions that read, one for every thread that reads at the moment."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator

import psycopg

from cloister.core.errors import DatabaseDown
from cloister.core.events import Transaction
from cloister.db.postgresql_connection import Pauses, Session, connect
from cloister.db.postgresql_errors import is_lost, translated
from cloister.db.postgresql_place import Place
from cloister.db.postgresql_transaction import PostgresTransaction, is_open

_IDLE_READERS = 8
BACK_S = 30.0
"""How long a read waits for a server that was there a moment ago."""
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresReaders:
    """Snapshots for any number of threads; none waits for writers."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._idle: deque[Session] = deque()
        self._closed = False
        self._was_there = False
        """The server answered when it was last asked: whoever reads waits for it to be back."""

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """A read transaction, as of its first query, ended with the block."""
        session = self._begun()
        transaction = PostgresTransaction(session)
        try:
            yield transaction
        finally:
            transaction.end()
            self._give_back(session)

    def close(self) -> None:
        """Closes what rests; what is in use closes when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _begun(self) -> Session:
        """A session inside a snapshot; those the server dropped at rest are let go."""
        while (session := self._take()) is not None:
            try:
                session.execute(_BEGIN)
            except psycopg.Error as error:
                session.close()
                if not is_lost(error):
                    raise translated(error) from error
            else:
                return session
        session = self._connect(Pauses(BACK_S if self._was_there else 0.0))
        try:
            session.execute(_BEGIN)
        except psycopg.Error as error:
            session.close()
            raise translated(error) from error
        return session

    def _take(self) -> Session | None:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        return None

    def _connect(self, pauses: Pauses) -> Session:
        while True:
            try:
                session = connect(self._place, read_only=True)
            except DatabaseDown:
                if not pauses.wait():
                    self._was_there = False
                    raise
            else:
                self._was_there = True
                return session

    def _give_back(self, session: Session) -> None:
        try:
            if is_open(session):
                session.execute("ROLLBACK")
        except psycopg.Error:
            session.close()  # nothing was to be kept
        if self._closed or session.closed or len(self._idle) >= _IDLE_READERS:
            session.close()
        else:
            self._idle.append(session)

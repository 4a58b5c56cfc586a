"""PostgreSQL's side of `Transaction`: one session, between BEGIN and COMMIT."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator

import psycopg
from psycopg.pq import TransactionStatus

from cloister.core.events import Parameters, Row
from cloister.db.postgresql_catalog import outlines
from cloister.db.postgresql_connection import Session
from cloister.db.postgresql_errors import translated
from cloister.db.postgresql_sql import bound, translated_sql

_TOGETHER = 2048
_OPEN = frozenset({TransactionStatus.INTRANS, TransactionStatus.INERROR})
_cursors = itertools.count()


def is_open(session: Session) -> bool:
    """Whether a transaction is under way there, and the server still knows of it."""
    return session.info.transaction_status in _OPEN


class PostgresTransaction:
    """Statements in one session; refuses to be used after its transaction's end.

    After a statement that failed PostgreSQL takes no other until the savepoint around it is
    undone: whoever swallows an error does so outside a `savepoint`.
    """

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session: Session | None = session

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Runs one statement; gives the number of rows it changed."""
        statement, values = bound(sql, parameters)
        try:
            return self._live().execute(statement, values, binary=True).rowcount
        except psycopg.Error as error:
            raise self._judged(error) from error

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Runs one statement for every row; they go to the server together."""
        statement, _ = translated_sql(sql)
        try:
            with self._live().cursor(binary=True) as cursor:
                cursor.executemany(statement, (bound(sql, row)[1] for row in rows))
        except psycopg.Error as error:
            raise self._judged(error) from error

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of one query, as of this transaction."""
        statement, values = bound(sql, parameters)
        try:
            return self._live().execute(statement, values, binary=True).fetchall()
        except psycopg.Error as error:
            raise self._judged(error) from error

    def iterate(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """The rows of one query, streamed."""
        name = f"rows_{next(_cursors)}"
        self._declare(name, sql, parameters)
        session = self._live()
        try:
            while rows := self.query(f"FETCH FORWARD {_TOGETHER} FROM {name}"):
                yield from rows
        finally:
            # A generator may be dropped late, when its session serves another transaction.
            if self._session is session and is_open(session):
                with contextlib.suppress(psycopg.Error):
                    session.execute(f"CLOSE {name}")

    def outlines(self) -> dict[str, str]:
        """Every table, index, view and trigger of the schema, described."""
        return outlines(self)

    def end(self) -> None:
        """From here on every use is a bug, and raises."""
        self._session = None

    def _declare(self, name: str, sql: str, parameters: Parameters) -> None:
        statement, values = bound(sql, parameters)
        declared = f"DECLARE {name} NO SCROLL CURSOR FOR {statement}"
        try:
            self._live().execute(declared, values, prepare=False)
        except psycopg.Error as error:
            raise self._judged(error) from error

    def _judged(self, error: psycopg.Error) -> Exception:
        """What ``error`` means; with the connection the transaction is gone, too."""
        if self._session is not None and not is_open(self._session):
            self._session = None
        return translated(error)

    def _live(self) -> Session:
        if self._session is None:
            raise RuntimeError("this transaction has ended: its changes are already decided")
        return self._session

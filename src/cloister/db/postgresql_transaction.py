"""PostgreSQL's side of `Transaction`: one session, between BEGIN and COMMIT."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import psycopg
from psycopg.pq import TransactionStatus

from cloister.core.events import Parameters, Row, SqlValue
from cloister.db.postgresql_catalog import outlines
from cloister.db.postgresql_connection import Session, run_together
from cloister.db.postgresql_errors import translated
from cloister.db.postgresql_sql import bound, translated_sql

_TOGETHER = 2048
_MARKS = ("SAVEPOINT ", "RELEASE ")
_OPEN = frozenset({TransactionStatus.INTRANS, TransactionStatus.INERROR})
_cursors = itertools.count()
Cursor: TypeAlias = psycopg.Cursor[Row]


def is_open(session: Session) -> bool:
    """Whether a transaction is under way there, and the server still knows of it."""
    return session.info.transaction_status in _OPEN


class PostgresTransaction:
    """Statements in one session; refuses to be used after its transaction's end.

    After a statement that failed PostgreSQL takes no other until the savepoint around it is
    undone: whoever swallows an error does so outside a `savepoint`.
    """

    __slots__ = ("_session", "_waiting")

    def __init__(self, session: Session) -> None:
        self._session: Session | None = session
        self._waiting: list[str] = []  # what says nothing by itself goes with what comes next

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Runs one statement; gives the number of rows it changed."""
        if sql.startswith(_MARKS):
            self._live()
            self._waiting.append(sql)
            return 0
        if sql.startswith("ROLLBACK TO ") and self.has_failed:
            self._waiting.clear()  # marks within what is undone
        return self._run(*bound(sql, parameters)).rowcount

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Runs one statement for every row; they go to the server together."""
        statement, _ = translated_sql(sql)
        values = [bound(sql, row)[1] for row in rows]
        if len(values) == 1:
            self._run(statement, values[0])
            return
        try:
            with self._flushed().cursor(binary=True) as cursor:
                cursor.executemany(statement, values)
        except psycopg.Error as error:
            raise self._judged(error) from error

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of one query, as of this transaction."""
        statement, values = bound(sql, parameters)
        try:
            return self._flushed().execute(statement, values, binary=True).fetchall()
        except psycopg.Error as error:
            raise self._judged(error) from error

    def iterate(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """The rows of one query, streamed."""
        name = f"rows_{next(_cursors)}"
        statement, values = bound(sql, parameters)
        declared = f"DECLARE {name} NO SCROLL CURSOR FOR {statement}"
        self._run(declared, values, prepare=False)
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

    @property
    def has_failed(self) -> bool:
        """Whether a statement failed, so that the server takes no other before an undo."""
        status = self._live().info.transaction_status
        return status == TransactionStatus.INERROR

    def waiting(self) -> str:
        """What is still to be sent before anything else; whoever asks sends it."""
        waiting = "".join(f"{sql}; " for sql in self._waiting)
        self._waiting.clear()
        return waiting

    def _run(
        self, statement: str, values: Sequence[SqlValue], *, prepare: bool | None = None
    ) -> Cursor:
        try:
            return self._flushed().execute(statement, values, prepare=prepare, binary=True)
        except psycopg.Error as error:
            raise self._judged(error) from error

    def _flushed(self) -> Session:
        session = self._live()
        if self._waiting:
            run_together(session, self.waiting())
        return session

    def _judged(self, error: psycopg.Error) -> Exception:
        """What ``error`` means; with the connection the transaction is gone, too."""
        if self._session is not None and not is_open(self._session):
            self._session = None
        return translated(error)

    def _live(self) -> Session:
        if self._session is None:
            raise RuntimeError("this transaction has ended: its changes are already decided")
        return self._session

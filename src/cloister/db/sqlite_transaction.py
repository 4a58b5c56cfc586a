"""SQLite's side of `Transaction`: one connection, between BEGIN and COMMIT."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from cloister.core.events import Parameters, Row
from cloister.db.sqlite_errors import translated


class SqliteTransaction:
    """Statements on one connection; refuses to be used after its transaction's end."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Runs one statement; gives the number of rows it changed."""
        try:
            return self._live().execute(sql, parameters).rowcount
        except sqlite3.Error as error:
            raise self._judged(error) from error

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Runs one statement for every row."""
        try:
            self._live().executemany(sql, rows)
        except sqlite3.Error as error:
            raise self._judged(error) from error

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of one query, as of this transaction."""
        try:
            return self._live().execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._judged(error) from error

    def iterate(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """The rows of one query, streamed."""
        try:
            yield from self._live().execute(sql, parameters)
        except sqlite3.Error as error:
            raise self._judged(error) from error

    def end(self) -> None:
        """From here on every use is a bug, and raises."""
        self._connection = None

    def _judged(self, error: sqlite3.Error) -> Exception:
        """What ``error`` means; if SQLite undid the transaction, this one is over.

        Else a caller that goes on would write outside of any, each statement by itself.
        """
        if self._connection is not None and not self._connection.in_transaction:
            self._connection = None
        return translated(error)

    def _live(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("this transaction has ended: its changes are already decided")
        return self._connection

"""Where snapshots come from: connections of their own, or turns on the writer's."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from cloister.core.events import Transaction
from cloister.db.group import GroupCommit
from cloister.db.sqlite_errors import translated
from cloister.db.sqlite_transaction import SqliteTransaction

_IDLE_READERS = 8


class Readers(Protocol):
    """Gives snapshots to any number of threads."""

    def snapshot(self) -> AbstractContextManager[Transaction]:
        """A read transaction, ended with the block."""

    def close(self) -> None:
        """Closes what rests; what is in use closes when it comes back."""


class ReaderPool:
    """A connection for every thread that reads at the moment; in WAL mode none waits."""

    def __init__(self, open_reader: Callable[[], sqlite3.Connection]) -> None:
        self._open_reader = open_reader
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """A read transaction, ended with the block."""
        connection = self._take()
        transaction = SqliteTransaction(connection)
        try:
            transaction.execute("BEGIN")
            yield transaction
        finally:
            transaction.end()
            self._give_back(connection)

    def close(self) -> None:
        """Closes what rests; what is in use closes when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> sqlite3.Connection:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        return self._open_reader()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            connection.close()
            raise translated(error) from error
        if self._closed or len(self._idle) >= _IDLE_READERS:
            connection.close()
        else:
            self._idle.append(connection)


class WriterShared:
    """A database in memory has one connection: readers and writers take turns on it."""

    def __init__(self, writer: sqlite3.Connection, group: GroupCommit) -> None:
        self._writer = writer
        self._group = group

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """A turn on the writer's connection."""
        with self._group.lock:
            transaction = SqliteTransaction(self._writer)
            try:
                yield transaction
            finally:
                transaction.end()

    def close(self) -> None:
        """Nothing of its own to close."""

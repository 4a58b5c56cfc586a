"""Connections to one SQLite file, set up so that what is acknowledged is on the disk."""

from __future__ import annotations

import os
import pathlib
import sqlite3
import time
import urllib.parse

from cloister.core.errors import BadInput, DurabilityLost, NotFound
from cloister.db.sqlite_errors import translated

MEMORY = ":memory:"
BUSY_TIMEOUT_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.0005, 0.008


def create_file(path: str) -> None:
    """An empty file for SQLite to fill, readable by its owner only (-wal and -shm inherit)."""
    if path == MEMORY:
        return
    if not os.path.isabs(path):
        raise BadInput("a database URI needs an absolute path: sqlite:/path.db")
    folder = pathlib.Path(path).parent
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileNotFoundError as error:
        raise NotFound("the folder of the database does not exist") from error
    except OSError:
        return  # not ours to write: SQLite says so, with its reason
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)  # SQLite syncs the folder for its journals, not for the database
    except OSError as error:
        raise DurabilityLost(
            f"the disk failed under the database's folder: {error.strerror}",
            hint="check the disk, then start again: the database recovers when it is opened",
        ) from error
    finally:
        os.close(descriptor)


def connect(path: str, *, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions begin and end where we say so."""
    mode = "ro" if read_only else "rw"
    uri = MEMORY if path == MEMORY else f"file:{urllib.parse.quote(path)}?mode={mode}"
    try:
        connection = sqlite3.connect(
            uri,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,  # the group's lock and the pool give it to one at a time
            cached_statements=512,
            uri=True,
        )
    except sqlite3.Error as error:
        raise translated(error) from error
    try:
        _set_up(connection, read_only=read_only)
    except sqlite3.Error as error:
        connection.close()
        raise translated(error) from error
    return connection


def _set_up(connection: sqlite3.Connection, *, read_only: bool) -> None:
    for pragma in (
        "synchronous = FULL",  # fsync of the log at every commit
        "foreign_keys = ON",
        "temp_store = MEMORY",  # sorting leaves no file behind
        "trusted_schema = OFF",  # a planted view or trigger calls no dangerous function
        "cell_size_check = ON",
        "case_sensitive_like = ON",  # as in every other engine
        "cache_size = -16384",  # KiB
        "wal_autocheckpoint = 4000",  # pages: rows under random names touch the same ones again
    ):
        connection.execute(f"PRAGMA {pragma}")
    if not read_only:
        _use_write_ahead_log(connection)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Persistent in the file. Two processes that open a new one meet: SQLite's own busy
    handler does not cover this change, so the loser asks again."""
    pauses = Pauses()
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or not pauses.wait():
                raise
        else:
            return


def connect_writer(path: str) -> sqlite3.Connection:
    """The connection that writes: it waits for its turn in `begin_immediate`, nowhere else."""
    connection = connect(path, read_only=False)
    connection.execute("PRAGMA busy_timeout = 0")
    return connection


def begin_immediate(connection: sqlite3.Connection) -> None:
    """Takes the one write lock for the writer, asking every few milliseconds.

    SQLite's own handler ends at 100 ms between questions, so that a process that commits
    without a pause can starve its neighbours.
    """
    pauses = Pauses()
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or not pauses.wait():
                raise
        else:
            return


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else holds the lock, so that asking again makes sense."""
    return error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class Pauses:
    """Growing pauses until the time is over."""

    def __init__(self) -> None:
        self._deadline = time.monotonic() + BUSY_TIMEOUT_S
        self._pause_s = _FIRST_PAUSE_S

    def wait(self) -> bool:
        """Pauses and gives True, or False when the time is over."""
        if time.monotonic() > self._deadline:
            return False
        time.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        return True

"""What SQLite's result codes mean to us."""

from __future__ import annotations

import sqlite3

from cloister.core.errors import (
    CloisterError,
    Conflict,
    DatabaseDamaged,
    DurabilityLost,
    NoSpace,
    NotAllowed,
    NotFound,
)

_SHARED_MEMORY_SIZE = 4874  # SQLITE_IOERR_SHMSIZE: the -shm file could not grow

_MEANINGS: dict[int, tuple[type[CloisterError], str, str | None]] = {
    sqlite3.SQLITE_FULL: (
        NoSpace,
        "the disk that holds the database is full: nothing was written",
        "free some space and run the command again",
    ),
    _SHARED_MEMORY_SIZE: (
        NoSpace,
        "the disk that holds the database is full: nothing was written",
        "free some space and run the command again",
    ),
    sqlite3.SQLITE_IOERR: (
        DurabilityLost,
        "the disk failed under the database: the last change may be lost",
        "check the disk, then start again: the database recovers when it is opened",
    ),
    sqlite3.SQLITE_CORRUPT: (
        DatabaseDamaged,
        "the database file is damaged",
        "restore a backup, then run: cloister audit",
    ),
    sqlite3.SQLITE_NOTADB: (
        DatabaseDamaged,
        "the file is not a database",
        "restore a backup, then run: cloister audit",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        NotFound,
        "the database file cannot be opened",
        "check that its folder exists and that you may write there",
    ),
    sqlite3.SQLITE_READONLY: (NotAllowed, "the database is open for reading only", None),
    sqlite3.SQLITE_PERM: (NotAllowed, "the database file may not be opened", None),
    sqlite3.SQLITE_BUSY: (
        Conflict,
        "another process has held the database for too long",
        "wait for it to finish, or end it, and try again",
    ),
    sqlite3.SQLITE_LOCKED: (
        Conflict,
        "another process has held the database for too long",
        "wait for it to finish, or end it, and try again",
    ),
}


def translated(error: sqlite3.Error) -> Exception:
    """The error of our tree that ``error`` means, or ``error`` itself when it is a bug."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return error
    if code & 0xFF == sqlite3.SQLITE_CONSTRAINT:
        return Conflict(f"the database refuses a row: {error}")  # names the column, no value
    meaning = _MEANINGS.get(code) or _MEANINGS.get(code & 0xFF)
    if meaning is None:
        return error
    kind, message, hint = meaning
    return kind(f"{message} ({error.sqlite_errorname})", hint=hint)

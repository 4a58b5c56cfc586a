"""What PostgreSQL's error codes mean to us; its messages may hold values, so none is shown."""

from __future__ import annotations

import psycopg

from cloister.core.errors import (
    BadInput,
    CloisterError,
    Conflict,
    DatabaseDamaged,
    DatabaseDown,
    DurabilityLost,
    NoSpace,
    NotAllowed,
    NotFound,
)

_BUSY = "another process has held the database for too long"
_WAIT = "wait for it to finish, or end it, and try again"
_GONE = "the database server ended the connection: nothing was written"
_LATER = "see that the server runs (pg_lsclusters, systemctl status postgresql), and try again"
_DAMAGED = "the database server finds its files damaged"
_RESTORE = "restore a backup, then run: cloister audit"

_MEANINGS: dict[str, tuple[type[CloisterError], str, str | None]] = {
    "53100": (
        NoSpace,
        "the disk that holds the database is full: nothing was written",
        "free some space on the database server and run the command again",
    ),
    "55P03": (Conflict, _BUSY, _WAIT),
    "40P01": (Conflict, "two sessions of the database waited for each other", _WAIT),
    "40001": (Conflict, "another session of the database changed what was read", _WAIT),
    "25006": (NotAllowed, "the database is open for reading only", None),
    "42501": (
        NotAllowed,
        "the database refuses this to the lab's user",
        "see the grants in docs/how-to/use-postgresql.md",
    ),
    "58030": (
        DurabilityLost,
        "the disk failed under the database: the last change may be lost",
        "check the server's disk, then start again",
    ),
    "22021": (BadInput, "the database stores no text with a zero byte in it", None),
    "XX001": (DatabaseDamaged, _DAMAGED, _RESTORE),
    "XX002": (DatabaseDamaged, _DAMAGED, _RESTORE),
}
_DOWN = ("08", "57P", "53", "25P03")
_REFUSED = (
    ("password authentication failed", NotAllowed),
    ("no password supplied", NotAllowed),
    ("fe_sendauth", NotAllowed),
    ("authentication method requirement", NotAllowed),
    ("authentication failed", NotAllowed),
    ("pg_hba.conf", NotAllowed),
    ("certificate", NotAllowed),
    ("SSL error", NotAllowed),
    ("server does not support SSL", NotAllowed),
    ("permission denied for database", NotAllowed),
    ("is not permitted to log in", NotAllowed),
    ("does not exist", NotFound),
)
_STARTING = ("is starting up", "is shutting down", "in recovery mode", "not yet accepting")


def translated(error: psycopg.Error) -> Exception:
    """The error of our tree that ``error`` means, or ``error`` itself when it is a bug."""
    code = error.sqlstate
    if code is None:
        return down() if is_lost(error) else error
    if code.startswith("23"):
        diagnosis = error.diag
        what = diagnosis.constraint_name or diagnosis.column_name or "a constraint"
        table = diagnosis.table_name or "a table"
        return Conflict(f"the database refuses a row of {table}: {what}")
    if (meaning := _MEANINGS.get(code)) is not None:
        kind, message, hint = meaning
        return kind(f"{message} ({code})", hint=hint)
    return down() if code.startswith(_DOWN) else error


def down() -> DatabaseDown:
    """The server is away."""
    return DatabaseDown(_GONE, hint=_LATER)


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone, rather than a statement refused."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(("08", "57P", "25P03"))


def is_starting(error: psycopg.Error) -> bool:
    """Whether a server is there that will answer soon."""
    return any(words in str(error) for words in _STARTING)


def refused(error: psycopg.Error) -> CloisterError:
    """Why no connection came about: libpq gives no code here, only words."""
    said = str(error).strip()
    lines = said.splitlines() or ["no reason was given"]
    last = lines[-1].strip()
    for words, kind in _REFUSED:
        if words in said:
            return kind(
                f"the database server lets nobody in this way: {last}",
                hint="see docs/how-to/use-postgresql.md",
            )
    return DatabaseDown(f"the database server cannot be reached: {last}", hint=_LATER)

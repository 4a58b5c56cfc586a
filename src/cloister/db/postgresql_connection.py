"""Sessions of one PostgreSQL server, set up so that what is acknowledged is on its disk."""

from __future__ import annotations

import time
from typing import Any, TypeAlias

import psycopg
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.numeric import FloatBinaryDumper, Int8BinaryDumper, NumericBinaryLoader
from psycopg.types.string import BytesBinaryDumper, StrBinaryDumper

from cloister.core.errors import BadInput
from cloister.core.events import Row
from cloister.db.postgresql_errors import is_starting, refused, translated
from cloister.db.postgresql_place import Place

BUSY_TIMEOUT_S = 60
STALLED_S = 120
"""A writer that says nothing for so long inside a transaction loses it, and its lock."""
START_S = 60.0
_OLDEST = 130000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.5
_LIBPQ_REFUSES = 160000  # from this version on libpq can refuse to tell a password in clear

Session: TypeAlias = psycopg.Connection[Row]


def connect(place: Place, *, read_only: bool) -> Session:
    """A session in autocommit mode: transactions begin and end where we say so.

    Waits for a server that is just starting. Raises DatabaseDown, NotAllowed, NotFound, and
    BadInput for a server that would not keep what it acknowledges.
    """
    pauses = Pauses(START_S)
    while True:
        try:
            session: Session = psycopg.Connection.connect(
                **_parameters(place, read_only=read_only),  # type: ignore[arg-type]
                autocommit=True,
                cursor_factory=psycopg.RawCursor,
                context=_ADAPTERS,
            )
        except psycopg.Error as error:
            if is_starting(error) and pauses.wait():
                continue
            raise refused(error) from error
        try:
            _check(session)
        except psycopg.Error as error:
            session.close()
            raise translated(error) from error
        except BaseException:
            session.close()
            raise
        return session


def _parameters(place: Place, *, read_only: bool) -> dict[str, str | int]:
    """Everything libpq asks for is said here, so that no variable of the user decides it."""
    settings = {
        "search_path": f"{place.schema},pg_temp",  # a temporary table hides none of ours
        "lock_timeout": f"{BUSY_TIMEOUT_S}s",
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": "0" if read_only else f"{STALLED_S}s",
        "default_transaction_isolation": "read\\ committed",
        "default_transaction_read_only": "on" if read_only else "off",
        "tcp_keepalives_idle": "10",  # a box that lost its power holds the lock for no longer
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "client_min_messages": "warning",
        "row_security": "off",  # rows that a policy would hide are an error
        "jit": "off",
    }
    given: dict[str, str | int] = {
        "host": place.host,
        "port": place.port,
        "dbname": place.database,
        "user": place.user,
        "application_name": "cloister",
        "client_encoding": "UTF8",
        "connect_timeout": 10,
        "tcp_user_timeout": 30_000,
        "gssencmode": "disable",
        "sslmode": "prefer" if place.is_local else "verify-full",
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
    if pq.version() >= _LIBPQ_REFUSES:
        given["require_auth"] = "!password"  # whoever poses as the server learns none
    return given | dict(place.more)


def run_together(session: Session, statements: str) -> None:
    """Runs several statements in one trip.

    Never prepared, which only one can be: after an interrupt at the wrong moment the driver
    would take them for one, and try.
    """
    session.execute(statements, prepare=False)


def _check(session: Session) -> None:
    """Refuses what breaks the promise of `Database`; sets what may be set."""
    found = session.execute(
        "SELECT current_setting('fsync'), current_setting('synchronous_commit'),"
        " current_setting('server_version_num'), current_setting('server_encoding'),"
        " pg_is_in_recovery()"
    ).fetchone()
    assert found is not None
    fsync, synchronous, version, encoding, standby = found
    if int(version) < _OLDEST:
        raise BadInput("the database server is too old", hint="PostgreSQL 13 is the oldest")
    if fsync != "on":
        raise BadInput(
            "the database server runs with fsync=off: it forgets what it acknowledged",
            hint="set fsync = on in postgresql.conf and reload the server",
        )
    if encoding != "UTF8":
        raise BadInput(
            f"the database is encoded in {encoding}",
            hint="make one with: createdb --encoding=UTF8 --template=template0 NAME",
        )
    if standby:
        raise BadInput("the database server is a standby: nothing can be written there")
    if synchronous in {"off", "local", "remote_write"}:  # remote_apply is more than on
        session.execute("SET synchronous_commit = on")


class _Whole(Int8BinaryDumper):
    """True and False are 1 and 0, as in SQLite."""

    def dump(self, obj: int) -> Buffer | None:
        return super().dump(int(obj))


class _TruthLoader(Loader):
    format = pq.Format.BINARY

    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"\x01")


class _NumberLoader(NumericBinaryLoader):
    """A sum of integers is an integer; whoever averages gets a float."""

    def load(self, data: Buffer) -> Any:
        value = super().load(data)
        return int(value) if value.as_tuple().exponent == 0 else float(value)


def _adapters() -> AdaptersMap:
    """Values go and come as SQLite gives them: int, float, str, bytes, None."""
    adapters = AdaptersMap(psycopg.adapters)
    for kind, dumper in (
        (int, Int8BinaryDumper),
        (bool, _Whole),
        (float, FloatBinaryDumper),
        (str, StrBinaryDumper),
        (bytes, BytesBinaryDumper),
    ):
        adapters.register_dumper(kind, dumper)
    adapters.register_loader("bool", _TruthLoader)
    adapters.register_loader("numeric", _NumberLoader)
    return adapters


class _Context:
    """What psycopg asks for the adapters of a new connection."""

    connection = None

    def __init__(self, adapters: AdaptersMap) -> None:
        self.adapters = adapters


_ADAPTERS = _Context(_adapters())


class Pauses:
    """Growing pauses until the time is over."""

    def __init__(self, within_s: float) -> None:
        self._deadline = time.monotonic() + within_s
        self._pause_s = _FIRST_PAUSE_S

    def wait(self) -> bool:
        """Pauses and gives True, or False when the time is over."""
        if time.monotonic() > self._deadline:
            return False
        time.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        return True

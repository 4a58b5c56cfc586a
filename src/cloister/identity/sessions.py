"""Sessions: logins in a browser, each until it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import PersonId, SessionId
from cloister.identity import credentials

SCHEMA = (
    "CREATE TABLE session (session TEXT PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE,"
    " person TEXT NOT NULL, how TEXT NOT NULL, opened INTEGER NOT NULL, time TEXT NOT NULL,"
    " proved TEXT NOT NULL, expires TEXT NOT NULL, closed INTEGER)",
    "CREATE INDEX session_person ON session (person)",
)


@dataclass(frozen=True, slots=True)
class Session:
    """One login."""

    session: SessionId
    person: PersonId
    how: str
    """``password``, ``passkey`` or ``oidc``."""
    time: str
    proved: str
    """When the person last showed who they are; empty where nobody says."""
    expires: str
    closed: int | None


def session_opened(recorded: Recorded) -> Iterator[Statement]:
    """A member logged in; what they showed cannot be shown again."""
    body, event = recorded.event.body, recorded.event
    yield Statement(
        "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            *(body[name] for name in ("session", "sha256", "person", "how")),
            recorded.index,
            event.time,
            body["proved"],
            body["expires"],
        ),
    )
    if body["credential"] is not None:
        yield credentials.used(body["credential"], body["uses"])


def session_proved(recorded: Recorded) -> Iterator[Statement]:
    """The member showed again who they are."""
    body = recorded.event.body
    yield Statement(
        "UPDATE session SET proved = ? WHERE session = ?",
        (recorded.event.time, body["session"]),
    )
    if body["credential"] is not None:
        yield credentials.used(body["credential"], body["uses"])


def session_closed(recorded: Recorded) -> Iterator[Statement]:
    """It stands for nobody any more."""
    yield Statement(
        "UPDATE session SET closed = ? WHERE session = ? AND closed IS NULL",
        (recorded.index, recorded.event.body["session"]),
    )


_ALL = "SELECT session, person, how, time, proved, expires, closed FROM session"


def open_sessions(tx: Transaction, now: str, person: str | None = None) -> list[Session]:
    """Those that still stand for somebody, oldest first."""
    whose, given = (" AND person = ?", (now, person)) if person else ("", (now,))
    rows = tx.query(
        f"{_ALL} WHERE closed IS NULL AND expires > ?{whose} ORDER BY opened", given
    )
    return [_session(row) for row in rows]


def by_secret(tx: Transaction, sha256: str, now: str) -> Session | None:
    """The open session whose cookie hashes to ``sha256``."""
    rows = tx.query(
        f"{_ALL} WHERE sha256 = ? AND closed IS NULL AND expires > ?", (sha256, now)
    )
    return _session(rows[0]) if rows else None


def _session(row: Row) -> Session:
    session, person, how, time, proved, expires, closed = row
    return Session(SessionId(session), PersonId(person), how, time, proved, expires, closed)

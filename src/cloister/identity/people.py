"""The team: who acts, told by the kernel locally and by a token over HTTPS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cloister.core.encoding import to_text
from cloister.core.errors import NotAllowed
from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.ids import PersonId, Randomness
from cloister.core.values import Actor

SCHEMA = (
    "CREATE TABLE person (person TEXT PRIMARY KEY, role TEXT NOT NULL, os_uid INTEGER UNIQUE,"
    " name TEXT NOT NULL, added INTEGER NOT NULL)",
    "CREATE TABLE token (sha256 TEXT PRIMARY KEY, person TEXT NOT NULL, role TEXT NOT NULL,"
    " purpose TEXT NOT NULL, expires TEXT NOT NULL, issued INTEGER NOT NULL)",
)


def person_added(recorded: Recorded) -> Iterator[Statement]:
    """A new member of the team."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO person VALUES (:person, :role, :os_uid, :name, :added)",
        {**body, "added": recorded.index},
    )


def token_issued(recorded: Recorded) -> Iterator[Statement]:
    """A secret that stands for a person until it expires."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO token VALUES (:sha256, :person, :role, :purpose, :expires, :issued)",
        {**body, "issued": recorded.index},
    )


def actor_of_uid(tx: Transaction, os_uid: int) -> Actor:
    """The member behind a local process; raises NotAllowed for a stranger to the lab."""
    rows = tx.query("SELECT person, role FROM person WHERE os_uid = ?", (os_uid,))
    if not rows:
        raise NotAllowed(
            f"the operating-system user {os_uid} is not a member of this lab",
            hint="an admin adds members",
        )
    person, role = rows[0]
    return Actor(PersonId(person), role, f"peer:{os_uid}")


def new_token(randomness: Randomness) -> tuple[str, str]:
    """A bearer token and the SHA-256, hex, that the record keeps of it.

    256 random bits need no slow hash: nobody guesses them.
    """
    token = "clo_" + to_text(randomness(32)).rstrip("=").replace("+", "-").replace("/", "_")
    return token, token_digest(token)


def token_digest(token: str) -> str:
    """What the record keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()

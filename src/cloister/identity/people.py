"""The team: who acts, told by the kernel locally and by what they show over HTTPS."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from cloister.core.encoding import to_text
from cloister.core.errors import NotAllowed, NotFound
from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import PersonId, Randomness
from cloister.core.values import Actor
from cloister.identity import projects

SCHEMA = (
    "CREATE TABLE person (person TEXT PRIMARY KEY, role TEXT NOT NULL, os_uid INTEGER UNIQUE,"
    " name TEXT NOT NULL, added INTEGER NOT NULL)",
    "CREATE TABLE token (sha256 TEXT PRIMARY KEY, person TEXT NOT NULL, role TEXT NOT NULL,"
    " purpose TEXT NOT NULL, expires TEXT NOT NULL, issued INTEGER NOT NULL)",
)
TEAM = (
    "ALTER TABLE person ADD COLUMN removed INTEGER",
    "ALTER TABLE token ADD COLUMN token TEXT",
    "ALTER TABLE token ADD COLUMN scopes TEXT",
    "ALTER TABLE token ADD COLUMN revoked INTEGER",
    "CREATE INDEX token_of_person ON token (person)",
)
"""What a team of several needs beside what the first release had."""


@dataclass(frozen=True, slots=True)
class Person:
    """One member, as the record has them."""

    person: PersonId
    role: str
    os_uid: int | None
    name: str
    """What they log in with; unique among the members."""
    added: int
    removed: int | None = None


def person_added(recorded: Recorded) -> Iterator[Statement]:
    """A new member of the team."""
    body = recorded.event.body
    row = {key: body[key] for key in ("person", "role", "os_uid", "name")}
    yield Statement(
        "INSERT INTO person (person, role, os_uid, name, added)"
        " VALUES (:person, :role, :os_uid, :name, :added)",
        {**row, "added": recorded.index},
    )
    for project in body.get("projects", (projects.SHARED,)):
        yield projects.joining(project, body["person"], recorded.index)


def person_changed(recorded: Recorded) -> Iterator[Statement]:
    """Another role, or another user of the operating system."""
    yield Statement(
        "UPDATE person SET role = :role, os_uid = :os_uid WHERE person = :person",
        {key: recorded.event.body[key] for key in ("person", "role", "os_uid")},
    )


def person_removed(recorded: Recorded) -> Iterator[Statement]:
    """They are gone, and whatever stood for them stands for nobody."""
    place, person = recorded.index, recorded.event.body["person"]
    yield Statement(
        "UPDATE person SET removed = ?, os_uid = NULL WHERE person = ?", (place, person)
    )
    yield Statement(
        "UPDATE token SET revoked = ? WHERE person = ? AND revoked IS NULL", (place, person)
    )
    yield Statement(
        "UPDATE session SET closed = ? WHERE person = ? AND closed IS NULL", (place, person)
    )
    yield Statement(
        "UPDATE invitation SET used = ? WHERE person = ? AND used IS NULL", (place, person)
    )
    yield Statement(
        "UPDATE credential SET removed = ? WHERE person = ? AND removed IS NULL",
        (place, person),
    )
    yield Statement("DELETE FROM project_member WHERE person = ?", (person,))


def token_issued(recorded: Recorded) -> Iterator[Statement]:
    """A secret that stands for a person until it expires."""
    body = recorded.event.body
    scopes = body.get("scopes")
    yield Statement(
        "INSERT INTO token (sha256, person, role, purpose, expires, issued, token, scopes)"
        " VALUES (:sha256, :person, :role, :purpose, :expires, :issued, :token, :scopes)",
        {
            **{key: body[key] for key in ("sha256", "person", "role", "purpose", "expires")},
            "issued": recorded.index,
            "token": body.get("token"),
            "scopes": None if scopes is None else json.dumps(scopes),
        },
    )


def token_revoked(recorded: Recorded) -> Iterator[Statement]:
    """It stands for nobody any more, before its time."""
    yield Statement(
        "UPDATE token SET revoked = ? WHERE token = ? AND revoked IS NULL",
        (recorded.index, recorded.event.body["token"]),
    )


_PERSON = "SELECT person, role, os_uid, name, added, removed FROM person"


def everyone(tx: Transaction, *, removed: bool = False) -> list[Person]:
    """The members, in the order they came; those who went too, where asked for."""
    those = "" if removed else " WHERE removed IS NULL"
    return [_person(row) for row in tx.query(f"{_PERSON}{those} ORDER BY added, person")]


def by_id(tx: Transaction, person: str) -> Person | None:
    """The member of that id, there or gone."""
    rows = tx.query(f"{_PERSON} WHERE person = ?", (person,))
    return _person(rows[0]) if rows else None


def by_name(tx: Transaction, name: str) -> Person | None:
    """The member who logs in with ``name``, written in whatever case."""
    wanted = name.casefold()
    return next((one for one in everyone(tx) if one.name.casefold() == wanted), None)


def find(tx: Transaction, reference: str) -> Person:
    """The member of that name or id who is still there; raises NotFound."""
    found = by_id(tx, reference) or by_name(tx, reference)
    if found is None or found.removed is not None:
        raise NotFound("no member of that name", hint="see `cloister person ls`")
    return found


def actor(tx: Transaction, member: Person, via: str, *, present: bool = True) -> Actor:
    """``member`` at the door."""
    seen = projects.seen_by(tx, member.person, member.role)
    return Actor(member.person, member.role, via, seen, None, present)


def actor_of_uid(tx: Transaction, os_uid: int) -> Actor:
    """The member behind a local process; raises NotAllowed for a stranger to the lab."""
    rows = tx.query(f"{_PERSON} WHERE os_uid = ? AND removed IS NULL", (os_uid,))
    if not rows:
        raise NotAllowed(
            f"the operating-system user {os_uid} is not a member of this lab",
            hint="an admin adds members: cloister person add NAME --os-user USER",
        )
    return actor(tx, _person(rows[0]), f"peer:{os_uid}")


def new_token(randomness: Randomness) -> tuple[str, str]:
    """A bearer token and the SHA-256, hex, that the record keeps of it.

    256 random bits need no slow hash: nobody guesses them.
    """
    token = "clo_" + to_text(randomness(32)).rstrip("=").replace("+", "-").replace("/", "_")
    return token, token_digest(token)


def token_digest(token: str) -> str:
    """What the record keeps of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _person(row: Row) -> Person:
    person, role, os_uid, name, added, removed = row
    return Person(PersonId(person), role, os_uid, name, added, removed)

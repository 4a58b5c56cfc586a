"""How a member shows who they are: sealed, so that a stolen database opens no account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cloister.core.encoding import to_bytes
from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import CollectionId, CredentialId, PersonId
from cloister.core.values import KeyRef

PASSWORD, TOTP, PASSKEY, OIDC = "password", "totp", "passkey", "oidc"

SCHEMA = (
    "CREATE TABLE credential (credential TEXT PRIMARY KEY, person TEXT NOT NULL,"
    " kind TEXT NOT NULL, mark TEXT, label TEXT NOT NULL, owner TEXT NOT NULL,"
    " seal BLOB NOT NULL, wrap BLOB NOT NULL, value BLOB NOT NULL, uses INTEGER NOT NULL,"
    " added INTEGER NOT NULL, removed INTEGER)",
    "CREATE INDEX credential_person ON credential (person)",
    "CREATE INDEX credential_mark ON credential (mark)",
    "CREATE TABLE invitation (sha256 TEXT PRIMARY KEY, person TEXT NOT NULL,"
    " expires TEXT NOT NULL, invited INTEGER NOT NULL, used INTEGER)",
)


@dataclass(frozen=True, slots=True)
class Credential:
    """One password, second factor, passkey or identity elsewhere."""

    credential: CredentialId
    person: PersonId
    kind: str
    mark: str | None
    """SHA-256 of what finds it: a passkey's id, an identity elsewhere."""
    label: str
    key: KeyRef
    value: bytes = field(repr=False)
    """Sealed: the hash of a password, the secret of a second factor, a public key."""
    uses: int
    """The last time step of a code that was taken, or a passkey's counter: only grows."""
    added: int


def credential_set(recorded: Recorded) -> Iterator[Statement]:
    """A new one; of passwords and second factors it takes the place of the one before."""
    body, place = recorded.event.body, recorded.index
    yield Statement(
        "INSERT INTO credential VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            *(
                body[name]
                for name in ("credential", "person", "kind", "mark", "label", "owner")
            ),
            *(to_bytes(body[name]) for name in ("seal", "wrap", "value")),
            body["uses"],
            place,
        ),
    )
    if body["kind"] in {PASSWORD, TOTP}:  # after it, and by age: neighbours may be reordered
        yield Statement(
            "UPDATE credential SET removed = ? WHERE person = ? AND kind = ? AND added < ?"
            " AND removed IS NULL",
            (place, body["person"], body["kind"], place),
        )


def credential_removed(recorded: Recorded) -> Iterator[Statement]:
    """It opens nothing any more."""
    yield Statement(
        "UPDATE credential SET removed = ? WHERE credential = ? AND removed IS NULL",
        (recorded.index, recorded.event.body["credential"]),
    )


def used(credential: str, uses: int) -> Statement:
    """That it was used once more."""
    return Statement("UPDATE credential SET uses = ? WHERE credential = ?", (uses, credential))


def person_invited(recorded: Recorded) -> Iterator[Statement]:
    """A link with which a member sets how they log in; the one before it is void."""
    body, place = recorded.event.body, recorded.index
    yield Statement(
        "INSERT INTO invitation VALUES (?, ?, ?, ?, NULL)",
        (body["sha256"], body["person"], body["expires"], place),
    )
    yield Statement(
        "UPDATE invitation SET used = ? WHERE person = ? AND invited < ? AND used IS NULL",
        (place, body["person"], place),
    )


def invitation_used(recorded: Recorded) -> Iterator[Statement]:
    """It was followed; it cannot be followed again."""
    yield Statement(
        "UPDATE invitation SET used = ? WHERE sha256 = ?",
        (recorded.index, recorded.event.body["sha256"]),
    )


def invited(tx: Transaction, sha256: str, now: str) -> PersonId | None:
    """Whom an invitation is for, if it can be followed at ``now``."""
    rows = tx.query(
        "SELECT person FROM invitation WHERE sha256 = ? AND used IS NULL AND expires > ?",
        (sha256, now),
    )
    return PersonId(rows[0][0]) if rows else None


_ALL = (
    "SELECT credential, person, kind, mark, label, owner, seal, wrap, value, uses, added"
    " FROM credential WHERE removed IS NULL"
)


def of_person(tx: Transaction, person: str, *kinds: str) -> list[Credential]:
    """What a member can show, oldest first; of these kinds, where kinds are named."""
    rows = tx.query(f"{_ALL} AND person = ? ORDER BY added, credential", (person,))
    found = [_credential(row) for row in rows]
    return [one for one in found if not kinds or one.kind in kinds]


def by_mark(tx: Transaction, kind: str, mark: str) -> Credential | None:
    """The passkey, or the identity elsewhere, of that mark."""
    rows = tx.query(f"{_ALL} AND kind = ? AND mark = ?", (kind, mark))
    return _credential(rows[0]) if rows else None


def key_owner(tx: Transaction, person: str) -> CollectionId | None:
    """Under whose key a member's credentials are sealed; None before the first."""
    rows = tx.query(
        "SELECT owner FROM credential WHERE person = ? ORDER BY added LIMIT 1", (person,)
    )
    return CollectionId(rows[0][0]) if rows else None


def _credential(row: Row) -> Credential:
    credential, person, kind, mark, label, owner, seal, wrap, value, uses, added = row
    return Credential(
        CredentialId(credential),
        PersonId(person),
        kind,
        mark,
        label,
        KeyRef(CollectionId(owner), seal, wrap),
        value,
        uses,
        added,
    )

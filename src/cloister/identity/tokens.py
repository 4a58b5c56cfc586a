"""Tokens as rows: whose they are, what for, until when."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.core.ids import PersonId, TokenId
from cloister.core.values import Actor
from cloister.identity import people


@dataclass(frozen=True, slots=True)
class Token:
    """One token, without its secret, which nobody has but who got it."""

    token: TokenId
    person: PersonId
    purpose: str
    scopes: frozenset[str] | None
    """The actions it is for; None for all its person may do."""
    expires: str
    issued: int
    revoked: int | None


_TOKEN = "SELECT token, person, purpose, scopes, expires, issued, revoked FROM token"  # noqa: S105


def all_tokens(tx: Transaction, person: str | None = None) -> list[Token]:
    """The tokens that people were given, oldest first; deployments' own are not among them."""
    whose, given = (" AND person = ?", (person,)) if person else ("", ())
    rows = tx.query(f"{_TOKEN} WHERE token IS NOT NULL{whose} ORDER BY issued, sha256", given)
    return [
        Token(TokenId(token), PersonId(of), purpose, _scopes(scopes), expires, issued, revoked)
        for token, of, purpose, scopes, expires, issued, revoked in rows
    ]


def find(tx: Transaction, token: str) -> Token:
    """The token of that id; raises NotFound."""
    for one in all_tokens(tx):
        if one.token == token:
            return one
    raise NotFound("no token of that id", hint="see `cloister token ls`")


def actor_of_token(tx: Transaction, secret: str, now: str) -> Actor | None:
    """Whom a bearer token stands for at ``now``; None for any that stands for nobody.

    The token of a deployment, or of a gateway's start, is good in its own process alone. The
    person's role of today holds, not that of the day it was issued. Found by its digest:
    whoever can watch how long the index takes learns something of a hash, not of a token.
    """
    rows = tx.query(
        "SELECT token, person, scopes FROM token"
        " WHERE sha256 = ? AND revoked IS NULL AND expires > ? AND token IS NOT NULL",
        (people.token_digest(secret), now),
    )
    if not rows:
        return None
    token, person, scopes = rows[0]
    member = people.by_id(tx, person)
    if member is None or member.removed is not None:
        return None
    found = people.actor(tx, member, f"token:{token}", present=False)
    return replace(found, scopes=_scopes(scopes))


def _scopes(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(json.loads(text))

"""Tokens: what stands for a member over HTTPS, for some actions and some time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import TokenId
from cloister.core.values import Actor
from cloister.identity import people, tokens
from cloister.identity.tokens import Token
from cloister.policy import GRAVE, ROLES, Action
from cloister.workflows.lab import Lab
from cloister.workflows.people import _times

_LONGEST_PURPOSE = 80


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh token: the only time its secret is anywhere but with whoever asked."""

    token: TokenId
    secret: str = field(repr=False)
    whose: str
    expires: str


@dataclass(frozen=True, slots=True)
class TokenLine:
    """One token, as a list shows it."""

    token: Token
    whose: str
    state: str
    """``good``, ``expired`` or ``revoked``."""


def issue_token(
    lab: Lab,
    purpose: str,
    scopes: frozenset[str] | None = None,
    days: int = 90,
    whose: str | None = None,
) -> Issued:
    """A token for whoever asks, or for ``whose`` where that is another member's.

    It never does what needs a person: erase, keys, export, approve, people, account. Raises
    BadInput for a scope that cannot be, or a time beyond a year; NotFound.
    """
    act = lab.act(Action.ACCOUNT if whose is None else Action.PEOPLE)
    if not purpose.strip() or len(purpose) > _LONGEST_PURPOSE or not purpose.isprintable():
        raise BadInput(f"say what the token is for, in 1 to {_LONGEST_PURPOSE} characters")
    life = timedelta(days=days)
    if not timedelta(0) < life <= _times.LONGEST_TOKEN:
        raise BadInput("a token lives 1 to 365 days")
    secret, digest = people.new_token(lab.randomness)
    token, expires = TokenId.new(lab.randomness), _times.after(lab, life)

    def write(tx: Transaction) -> str:
        member = people.find(tx, whose or lab.actor.person)
        _check_scopes(scopes, member.role)
        body = {
            "expires": expires,
            "person": member.person,
            "purpose": purpose,
            "role": member.role,
            "scopes": None if scopes is None else sorted(scopes),
            "sha256": digest,
            "token": token,
        }
        lab.ledger.append(tx, [act.event("token.issued", body)])
        return member.name

    return Issued(token, secret, lab.database.write(write), expires)


def revoke_token(lab: Lab, token: str) -> Token:
    """From the next request on it stands for nobody; raises NotFound."""
    lab.act(Action.ACCOUNT)

    def write(tx: Transaction) -> Token:
        found = tokens.find(tx, token)
        own = found.person == lab.actor.person
        if not own and not lab.may(Action.PEOPLE):
            raise NotFound("no token of that id", hint="see `cloister token ls`")
        act = lab.act(Action.ACCOUNT if own else Action.PEOPLE)
        lab.ledger.append(tx, [act.event("token.revoked", {"token": found.token})])
        return found

    return lab.database.write(write)


def list_tokens(lab: Lab) -> list[TokenLine]:
    """One's own tokens; everybody's, for whoever looks after people."""
    lab.act(Action.LIST)
    own = None if lab.may(Action.PEOPLE) else lab.actor.person
    now = _times.now(lab)

    def query(tx: Transaction) -> list[TokenLine]:
        names = {one.person: one.name for one in people.everyone(tx, removed=True)}
        return [
            TokenLine(one, names.get(one.person, one.person), _state(one, now))
            for one in tokens.all_tokens(tx, own)
        ]

    return lab.read(query)


def actor_of_token(lab: Lab, secret: str) -> Actor | None:
    """Whom a bearer token stands for now; None for any other."""
    now = _times.now(lab)
    return lab.read(lambda tx: tokens.actor_of_token(tx, secret, now))


def _state(token: Token, now: str) -> str:
    if token.revoked is not None:
        return "revoked"
    return "good" if token.expires > now else "expired"


def _check_scopes(scopes: frozenset[str] | None, role: str) -> None:
    able = ROLES[role] - GRAVE
    for scope in sorted(scopes or ()):
        if scope not in able:
            raise BadInput(
                f"a token of the role {role} cannot be for {scope!r}",
                hint=f"it can be for {', '.join(sorted(able))}",
            )

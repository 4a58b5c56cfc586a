"""Identities elsewhere: who an OpenID provider says somebody is, and which member that is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cloister.core.canonical import canonical
from cloister.core.errors import Conflict, NotAllowed
from cloister.core.events import Transaction
from cloister.identity import credentials, people
from cloister.identity.credentials import OIDC
from cloister.policy import Action
from cloister.workflows.lab import Lab
from cloister.workflows.people.credentials import New, key_for, setting
from cloister.workflows.people.login import record_refusal
from cloister.workflows.people.sessions import Shown


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is to a provider that the lab trusts; verified."""

    issuer: str
    subject: str
    """The provider's own, lasting id of them: not a mail address, which may change hands."""
    at: datetime | None
    """When they showed it who they are; None where the provider does not say."""


def new_identity(identity: Identity) -> New:
    """It as a credential; which it is stays sealed."""
    value = {"issuer": identity.issuer, "subject": identity.subject}
    return New(OIDC, value, identity.issuer, _mark(identity))


def show_elsewhere(lab: Lab, identity: Identity) -> Shown:
    """Which member an identity shows; raises NotAllowed for one that is nobody's.

    Nobody becomes a member by being known elsewhere: they are invited first.
    """
    found = lab.read(lambda tx: credentials.by_mark(tx, OIDC, _mark(identity)))
    member = None if found is None else lab.read(lambda tx: people.by_id(tx, found.person))
    if found is None or member is None or member.removed is not None:
        record_refusal(lab, None, OIDC)
        raise NotAllowed(
            "this identity is no member's", hint="an admin invites: cloister person invite NAME"
        )
    never = datetime.fromtimestamp(0, lab.clock.now().tzinfo)
    return Shown(found.person, OIDC, found.credential, 0, identity.at or never)


def add_identity(lab: Lab, identity: Identity) -> None:
    """One more way in for the actor; raises Conflict where it is somebody's already."""
    act = lab.act(Action.ACCOUNT)
    new, person = new_identity(identity), lab.actor.person
    event = setting(act, person, new, key_for(lab, person))

    def write(tx: Transaction) -> None:
        if credentials.by_mark(tx, OIDC, _mark(identity)) is not None:
            raise Conflict("this identity is a member's already")
        lab.ledger.append(tx, [event])

    lab.database.write(write)


def _mark(identity: Identity) -> str:
    return hashlib.sha256(canonical([identity.issuer, identity.subject])).hexdigest()

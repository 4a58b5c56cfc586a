"""Credentials: sealed when they are set, opened when they are shown."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from cloister.core.canonical import canonical
from cloister.core.encoding import to_text
from cloister.core.errors import Conflict, NotFound
from cloister.core.events import Event, Transaction
from cloister.core.ids import CollectionId, CredentialId, PersonId
from cloister.core.values import KeyGrant
from cloister.identity import credentials, people
from cloister.identity.credentials import PASSKEY, Credential
from cloister.keys.seal import open_field, seal_field
from cloister.keys.values import GrantRequest
from cloister.policy import Action
from cloister.workflows.lab import Act, Lab
from cloister.workflows.unseal import open_keys

PURPOSE = "credential"
_LONGEST_LABEL = 60


@dataclass(frozen=True, slots=True)
class New:
    """A credential about to be set."""

    kind: str
    value: dict[str, Any]
    """What is sealed."""
    label: str = ""
    mark: str | None = None
    uses: int = 0


def key_for(lab: Lab, person: PersonId) -> KeyGrant:
    """A fresh object key under the person's own owner, which is made with the first."""
    owner = lab.read(lambda tx: credentials.key_owner(tx, person))
    owner = owner or lab.keys.new_owner(CollectionId)
    return lab.keys.grants([GrantRequest(owner)])[0].key


def setting(act: Act, person: PersonId, new: New, grant: KeyGrant) -> Event:
    """The event that sets it; the value leaves this process sealed or not at all."""
    credential = CredentialId.new(act.lab.randomness)
    plain = canonical(new.value, floats=False)
    sealed = seal_field(grant.object_key, PURPOSE, plain, credential.encode())
    body = {
        "credential": credential,
        "kind": new.kind,
        "label": new.label[:_LONGEST_LABEL],
        "mark": new.mark,
        "owner": grant.owner,
        "person": person,
        "seal": to_text(grant.seal_id),
        "uses": new.uses,
        "value": to_text(sealed),
        "wrap": to_text(grant.wrap),
    }
    return act.event("credential.set", body)


def opened(lab: Lab, credential: Credential) -> dict[str, Any]:
    """What was sealed; raises Tampered, Erased is not possible while the person is a member."""
    keys = open_keys(lab, [credential.key])
    raw = open_field(
        keys[credential.key.seal_id], PURPOSE, credential.value, credential.credential.encode()
    )
    value: dict[str, Any] = json.loads(raw)
    return value


def acting(lab: Lab, tx: Transaction, person: PersonId, how: str) -> Act:
    """What a person does by showing who they are: before policy knows them as anybody."""
    member = people.find(tx, person)
    actor = people.actor(tx, member, f"login:{how}")
    return Act(replace(lab, actor=actor), f"they showed who they are: {how}")


def list_own(lab: Lab) -> list[Credential]:
    """What the actor can show."""
    lab.act(Action.LIST)
    return lab.read(lambda tx: credentials.of_person(tx, lab.actor.person))


def remove_own(lab: Lab, credential: str) -> None:
    """Takes one of the actor's own passkeys or identities elsewhere away.

    Raises NotFound for what is not theirs, Conflict for the last way in.
    """
    act = lab.act(Action.ACCOUNT)

    def write(tx: Transaction) -> None:
        own = credentials.of_person(tx, lab.actor.person)
        found = [one for one in own if one.credential == credential]
        if not found or found[0].kind not in {PASSKEY, credentials.OIDC}:
            raise NotFound("no such passkey")
        rest = [one for one in own if one not in found and one.kind != credentials.TOTP]
        if not rest:
            raise Conflict("this is the only way in", hint="add another one first")
        lab.ledger.append(tx, [act.event("credential.removed", {"credential": credential})])

    lab.database.write(write)

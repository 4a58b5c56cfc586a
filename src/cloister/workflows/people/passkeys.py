"""Passkeys (WebAuthn level 2): added, and shown instead of a password."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import BadInput, NotAllowed
from cloister.core.events import Transaction
from cloister.identity import credentials, people
from cloister.identity.credentials import PASSKEY, Credential
from cloister.policy import Action
from cloister.workflows.lab import Lab
from cloister.workflows.people.credentials import New, key_for, opened, setting
from cloister.workflows.people.login import record_refusal
from cloister.workflows.people.sessions import REFUSED, Shown
from cloister.workflows.people.throttle import Attempt, Throttle

_NAME = "Cloister"
_TIMEOUT_MS = 120_000


@dataclass(frozen=True, slots=True)
class Site:
    """Where the browser says it is: a passkey made for one place opens no other."""

    host: str
    """The relying party's id: a domain, or localhost; browsers take no bare address."""
    origin: str
    """``https://host:port``."""


def creation_options(lab: Lab, site: Site, name: str, challenge: bytes) -> str:
    """What ``navigator.credentials.create`` is given, as JSON."""
    webauthn, structs = _webauthn()
    made = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=_NAME,
        user_name=name,
        user_id=hashlib.sha256(f"{lab.id} {name}".encode()).digest(),
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
    )
    return str(webauthn.options_to_json(made))


def request_options(site: Site, challenge: bytes) -> str:
    """What ``navigator.credentials.get`` is given, as JSON: any account's passkey will do."""
    webauthn, structs = _webauthn()
    made = webauthn.generate_authentication_options(
        rp_id=site.host,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return str(webauthn.options_to_json(made))


def checked_new(site: Site, challenge: bytes, answer: str, label: str) -> New:
    """The passkey that a browser made for us, verified; raises BadInput.

    The person was verified by the device itself, so it is two factors in one. Attestation is
    not asked for: which maker built it is not what we decide by.
    """
    webauthn, _ = _webauthn()
    try:
        found = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except _refusals() as error:
        raise BadInput("this passkey could not be checked") from error
    value = {
        "id": to_text(found.credential_id),
        "public": to_text(found.credential_public_key),
        "site": site.host,
    }
    return New(PASSKEY, value, label, _mark(found.credential_id), found.sign_count)


def add_passkey(lab: Lab, new: New) -> None:
    """One more passkey for the actor."""
    act = lab.act(Action.ACCOUNT)
    person = lab.actor.person
    event = setting(act, person, new, key_for(lab, person))
    lab.database.write(lambda tx: lab.ledger.append(tx, [event]))


def show_passkey(
    lab: Lab, throttle: Throttle, site: Site, challenge: bytes, answer: str, address: str
) -> Shown:
    """Whom a passkey shows; raises NotAllowed, TooManyAttempts. A refusal is on record."""
    attempt = Attempt("a passkey", address)
    throttle.enter(attempt)
    found = lab.read(lambda tx: _found(tx, answer))
    uses = None if found is None else _verified(lab, found, site, challenge, answer)
    if found is None or uses is None:
        if throttle.worth_recording():
            record_refusal(lab, None if found is None else found.person, PASSKEY)
        raise NotAllowed(REFUSED)
    throttle.good(attempt)
    return Shown(found.person, PASSKEY, found.credential, uses)


def _verified(
    lab: Lab, found: Credential, site: Site, challenge: bytes, answer: str
) -> int | None:
    """The counter of a passkey that signed the challenge, here, now, its person present.

    A counter that has not grown is a copy's (WebAuthn 6.1.1); asked again when it is taken.
    """
    webauthn, _ = _webauthn()
    value = opened(lab, found)
    if value["site"] != site.host:
        return None
    try:
        answered = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=to_bytes(value["public"]),
            credential_current_sign_count=found.uses,
            require_user_verification=True,
        )
    except _refusals():
        return None
    return int(answered.new_sign_count)


def _found(tx: Transaction, answer: str) -> Credential | None:
    """The passkey an answer names, if it is a member's."""
    try:
        named: Any = json.loads(answer)
        raw = str(named["rawId"])
        identity = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
    except (ValueError, KeyError, TypeError):
        return None
    found = credentials.by_mark(tx, PASSKEY, _mark(identity))
    member = None if found is None else people.by_id(tx, found.person)
    return found if member is not None and member.removed is None else None


def _mark(identity: bytes) -> str:
    return hashlib.sha256(identity).hexdigest()


def _refusals() -> tuple[type[Exception], ...]:
    """What the library raises for answers that are wrong, or no answers at all."""
    from webauthn.helpers.exceptions import WebAuthnException

    return (WebAuthnException, ValueError, KeyError, TypeError)


def _webauthn() -> tuple[ModuleType, ModuleType]:
    try:
        import webauthn
        from webauthn.helpers import structs
    except ModuleNotFoundError as error:
        raise BadInput(
            "passkeys need a library that is not installed: webauthn",
            hint="pip install 'cloister[up]'",
        ) from error
    return webauthn, structs

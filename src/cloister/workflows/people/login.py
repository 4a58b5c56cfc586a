"""Login by password and code: one answer for every failure, one time for every account."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from types import ModuleType

from cloister.core.errors import BadInput, NotAllowed
from cloister.core.events import Event, Transaction
from cloister.core.ids import PersonId
from cloister.identity import credentials, people
from cloister.identity.credentials import PASSWORD, TOTP, Credential
from cloister.keys.passwords import password_fits
from cloister.workflows.lab import Lab
from cloister.workflows.people import _times
from cloister.workflows.people.credentials import opened
from cloister.workflows.people.sessions import REFUSED, Shown
from cloister.workflows.people.throttle import Attempt, Throttle

_STEP_S = 30
_CODE = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed."""

    name: str
    password: str = field(repr=False)
    code: str = field(repr=False)
    address: str = ""
    """Where from."""


def show_password(lab: Lab, throttle: Throttle, typed: Typed) -> Shown:
    """Whom a name, a password and a code show.

    Raises NotAllowed, the same for a wrong name, password or code and after the same work;
    TooManyAttempts. A refusal is on record.
    """
    attempt = Attempt(typed.name, typed.address)
    throttle.enter(attempt)
    account = lab.read(lambda tx: _account(tx, typed.name))
    hashed = None if account is None else str(opened(lab, account.password)["argon2id"])
    secret = "A" * 32 if account is None else str(opened(lab, account.second)["secret"])
    fits = password_fits(typed.password, hashed)
    step = code_step(lab, secret, typed.code)
    good = fits and step is not None and account is not None and account.known
    if not good or account is None or step is None or step <= account.second.uses:
        if throttle.worth_recording():
            record_refusal(lab, account.person if account and account.known else None, PASSWORD)
        raise NotAllowed(REFUSED)
    throttle.good(attempt)
    return Shown(account.person, PASSWORD, account.second.credential, step)


def new_secret(lab: Lab) -> str:
    """The secret of a second factor: 160 random bits, base32 (RFC 4226 section 4)."""
    import base64

    return base64.b32encode(lab.randomness(20)).decode()


def code_step(lab: Lab, secret: str, code: str) -> int | None:
    """The time step ``code`` is of, one either side of now; None where it is of none.

    RFC 6238 section 5.2. Every step is compared, whichever fits.
    """
    code = code.replace(" ", "")
    if not _CODE.fullmatch(code):
        code = "no code"
    now = int(lab.clock.now().timestamp()) // _STEP_S
    otp, found = _pyotp().TOTP(secret), None
    for step in (now - 1, now, now + 1):
        if hmac.compare_digest(otp.generate_otp(step), code):
            found = step
    return found


def enrolment(lab: Lab, secret: str, name: str) -> str:
    """The otpauth: address that an authenticator app reads."""
    address: str = (
        _pyotp().TOTP(secret).provisioning_uri(name=name, issuer_name=f"Cloister {lab.id}")
    )
    return address


def record_refusal(lab: Lab, person: PersonId | None, how: str) -> None:
    """Puts on record that somebody failed to log in: as whom, if that is anybody."""
    body = {"person": person, "how": how}
    event = Event("login.refused", _times.now(lab), person or "nobody", REFUSED, body)
    lab.database.write(lambda tx: lab.ledger.append(tx, [event]))


@dataclass(frozen=True, slots=True)
class _Account:
    """Whose password is compared."""

    person: PersonId
    password: Credential
    second: Credential
    known: bool
    """False for somebody else's, which stands in for a name that is nobody's."""


def _account(tx: Transaction, name: str) -> _Account | None:
    """The account of ``name``; another's, so that the same work is done, where it has none."""
    member = people.by_name(tx, name)
    others = [one for one in people.everyone(tx) if one != member]
    for one in [*([member] if member else []), *others]:
        own = {
            each.kind: each for each in credentials.of_person(tx, one.person, PASSWORD, TOTP)
        }
        if PASSWORD in own and TOTP in own:
            return _Account(one.person, own[PASSWORD], own[TOTP], one == member)
    return None


def _pyotp() -> ModuleType:
    try:
        import pyotp
    except ModuleNotFoundError as error:
        raise BadInput(
            "logins need a library that is not installed: pyotp",
            hint="pip install 'cloister[up]'",
        ) from error
    return pyotp

"""Invitations: a link, good once, with which a member sets how they log in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cloister.core.errors import BadInput, Conflict, NotFound
from cloister.core.events import Event, Transaction
from cloister.core.ids import PersonId
from cloister.identity import credentials, people, sessions
from cloister.identity.credentials import OIDC, PASSKEY, PASSWORD, TOTP, Credential
from cloister.identity.people import Person
from cloister.keys.passwords import check_password, hash_password
from cloister.policy import Action
from cloister.workflows.lab import Act, Lab
from cloister.workflows.people import _times
from cloister.workflows.people.credentials import New, acting, key_for, setting
from cloister.workflows.people.login import code_step
from cloister.workflows.people.sessions import Opened, Shown, begin, closing


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link that has just been made; its secret is nowhere else."""

    name: str
    secret: str = field(repr=False)
    expires: str

    @property
    def path(self) -> str:
        """What follows the address of the lab in the link."""
        return f"/join/{self.secret}"


def invite(lab: Lab, reference: str) -> Invitation:
    """A link for a member to log in for the first time, or anew; the one before it is void.

    Whoever follows it sets a fresh password, passkey or identity elsewhere; those set before,
    and the sessions they opened, end with it. Raises NotFound.
    """
    act = lab.act(Action.PEOPLE)
    return _invited(act, lab.read(lambda tx: people.find(tx, reference)))


def first_invitation(lab: Lab) -> Invitation | None:
    """A link for whoever starts a lab that nobody can log in to yet; else None."""
    act = lab.act(Action.PEOPLE)

    def somebody_can(tx: Transaction) -> bool:
        return any(credentials.of_person(tx, one.person) for one in people.everyone(tx))

    if lab.read(somebody_can):
        return None
    return _invited(act, lab.read(lambda tx: people.find(tx, lab.actor.person)))


def invited(lab: Lab, secret: str) -> Person:
    """Whom a link is for; raises NotFound for one that is spent, expired or no link at all."""
    return lab.read(lambda tx: _invited_by(lab, tx, secret))


def join_with_password(lab: Lab, secret: str, password: str, second: str, code: str) -> Opened:
    """Sets a password and a second factor, and logs in.

    ``code`` shows that the factor's secret ``second`` arrived where it belongs. Raises
    NotFound, BadInput.
    """
    member = invited(lab, secret)
    check_password(password, member.name)
    step = code_step(lab, second, code)
    if step is None:
        raise BadInput("the code is not the one that your app shows now")
    news = [
        New(PASSWORD, {"argon2id": hash_password(password)}),
        New(TOTP, {"secret": second}, uses=step),
    ]
    return _join(lab, secret, news, lambda own: _shown(own, TOTP, PASSWORD, step))


def join_with(lab: Lab, secret: str, new: New) -> Opened:
    """Sets a passkey, or an identity elsewhere, that was checked already; and logs in."""
    assert new.kind in {PASSKEY, OIDC}
    return _join(lab, secret, [new], lambda own: _shown(own, new.kind, new.kind, new.uses))


def change_password(lab: Lab, password: str) -> None:
    """Another password for the actor, whose other sessions end; raises BadInput."""
    act = lab.act(Action.ACCOUNT)
    person = lab.actor.person
    member = lab.read(lambda tx: people.find(tx, person))
    check_password(password, member.name)
    new = New(PASSWORD, {"argon2id": hash_password(password)})
    set_it = setting(act, person, new, key_for(lab, person))

    def write(tx: Transaction) -> None:
        if not credentials.of_person(tx, person, TOTP):
            raise BadInput("a password needs a second factor", hint="ask for an invitation")
        others = [
            closing(act, one.session)
            for one in sessions.open_sessions(tx, _times.now(lab), person)
            if f"session:{one.session}" != lab.actor.via
        ]
        lab.ledger.append(tx, [set_it, *others])

    lab.database.write(write)


def _join(
    lab: Lab, secret: str, news: Sequence[New], shown: Callable[[list[Credential]], Shown]
) -> Opened:
    """Everything in one transaction, in which the link is still good, and then is not."""
    member = invited(lab, secret)
    grants = [key_for(lab, member.person) for _ in news]

    def write(tx: Transaction) -> Opened:
        if _invited_by(lab, tx, secret).person != member.person:
            raise _gone()
        _check_free(tx, member, news)
        act = acting(lab, tx, member.person, "invitation")
        made = [
            setting(act, member.person, new, grant)
            for new, grant in zip(news, grants, strict=True)
        ]
        used = act.event("invitation.used", {"sha256": people.token_digest(secret)})
        lab.ledger.append(tx, [*_ended(act, tx, member.person), *made, used])
        return begin(lab, tx, shown(credentials.of_person(tx, member.person)))

    return lab.database.write(write)


def _check_free(tx: Transaction, member: Person, news: Sequence[New]) -> None:
    """What finds one person must not find another."""
    for new in news:
        other = None if new.mark is None else credentials.by_mark(tx, new.kind, new.mark)
        if other is not None and other.person != member.person:
            raise Conflict("this is another member's already")


def _ended(act: Act, tx: Transaction, person: PersonId) -> list[Event]:
    """The end of every earlier way in, and of what came in through it."""
    own = credentials.of_person(tx, person)
    open_ones = sessions.open_sessions(tx, _times.now(act.lab), person)
    return [
        *(act.event("credential.removed", {"credential": one.credential}) for one in own),
        *(closing(act, one.session) for one in open_ones),
    ]


def _shown(own: list[Credential], kind: str, how: str, uses: int) -> Shown:
    newest = [one for one in own if one.kind == kind][-1]
    return Shown(newest.person, how, newest.credential, uses)


def _invited(act: Act, member: Person) -> Invitation:
    lab = act.lab
    secret, digest = people.new_token(lab.randomness)
    expires = _times.after(lab, _times.INVITATION)
    body = {"expires": expires, "person": member.person, "sha256": digest}
    act.record([act.event("person.invited", body)])
    return Invitation(member.name, secret, expires)


def _invited_by(lab: Lab, tx: Transaction, secret: str) -> Person:
    person = credentials.invited(tx, people.token_digest(secret), _times.now(lab))
    member = None if person is None else people.by_id(tx, person)
    if member is None or member.removed is not None:
        raise _gone()
    return member


def _gone() -> NotFound:
    return NotFound(
        "this link is spent or has expired", hint="ask an admin: cloister person invite NAME"
    )

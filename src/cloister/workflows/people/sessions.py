"""Sessions: opened by showing who one is, proved again, listed, closed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from cloister.core.clock import timestamp
from cloister.core.errors import NotAllowed, NotFound
from cloister.core.events import Event, Transaction
from cloister.core.ids import CredentialId, PersonId, SessionId
from cloister.core.values import Actor
from cloister.identity import credentials, people, sessions
from cloister.identity.credentials import PASSKEY, TOTP
from cloister.identity.sessions import Session
from cloister.policy import Action
from cloister.workflows.lab import Act, Lab
from cloister.workflows.people import _times
from cloister.workflows.people.credentials import acting

REFUSED = "name, password or code is wrong"
"""The one answer to every login that fails: which part was wrong is nobody's business."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody showed, found to be right a moment ago; `_take` settles that it counts."""

    person: PersonId
    how: str
    credential: CredentialId
    uses: int
    """The code's time step, or the passkey's counter."""
    at: datetime | None = None
    """When they showed it to somebody else who vouches for it; None for now, and to us."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that has just begun."""

    session: SessionId
    secret: str = field(repr=False)
    """For the cookie; the record has its digest."""
    person: PersonId


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One session, as a list shows it."""

    session: Session
    whose: str


def open_session(lab: Lab, shown: Shown) -> Opened:
    """Logs in whoever ``shown`` shows; raises NotAllowed where it was shown before."""

    def write(tx: Transaction) -> Opened:
        _take(tx, shown)
        return begin(lab, tx, shown)

    return lab.database.write(write)


def begin(lab: Lab, tx: Transaction, shown: Shown) -> Opened:
    """The same inside a transaction, for what was set or taken in it."""
    act = acting(lab, tx, shown.person, shown.how)
    secret, digest = people.new_token(lab.randomness)
    session = SessionId.new(lab.randomness)
    body = {
        "credential": shown.credential,
        "expires": _times.after(lab, _times.SESSION),
        "how": shown.how,
        "person": shown.person,
        "proved": _proved(lab, shown),
        "session": session,
        "sha256": digest,
        "uses": shown.uses,
    }
    lab.ledger.append(tx, [act.event("session.opened", body)])
    return Opened(session, secret, shown.person)


def prove_session(lab: Lab, session: Session, shown: Shown) -> None:
    """The person of ``session`` showed again who they are; raises NotAllowed for another's."""
    if shown.person != session.person:
        raise NotAllowed(REFUSED)

    def write(tx: Transaction) -> None:
        act = acting(lab, tx, shown.person, shown.how)
        _take(tx, shown)
        body = {
            "credential": shown.credential,
            "session": session.session,
            "uses": shown.uses,
        }
        lab.ledger.append(tx, [act.event("session.proved", body)])

    lab.database.write(write)


def actor_of_session(lab: Lab, secret: str) -> tuple[Session, Actor] | None:
    """The session of a cookie and whom it stands for now; None for any other."""
    now = lab.clock.now()

    def query(tx: Transaction) -> tuple[Session, Actor] | None:
        found = sessions.by_secret(tx, people.token_digest(secret), timestamp(now))
        member = None if found is None else people.by_id(tx, found.person)
        if found is None or member is None or member.removed is not None:
            return None
        present = found.proved >= timestamp(now - _times.FRESH)
        return found, people.actor(tx, member, f"session:{found.session}", present=present)

    return lab.read(query)


def list_sessions(lab: Lab) -> list[SessionLine]:
    """One's own open sessions; everybody's, for whoever looks after people."""
    lab.act(Action.LIST)
    own = None if lab.may(Action.PEOPLE) else lab.actor.person
    now = _times.now(lab)

    def query(tx: Transaction) -> list[SessionLine]:
        names = {one.person: one.name for one in people.everyone(tx)}
        found = sessions.open_sessions(tx, now, own)
        return [SessionLine(one, names.get(one.person, one.person)) for one in found]

    return lab.read(query)


def close_session(lab: Lab, session: str) -> None:
    """It stands for nobody from the next request on.

    Anybody closes their own, without showing again who they are: it only takes away. Raises
    NotFound for another's, but for whoever looks after people.
    """
    act = lab.act(Action.LIST)
    now = _times.now(lab)

    def write(tx: Transaction) -> None:
        found = [one for one in sessions.open_sessions(tx, now) if one.session == session]
        if not found or not (found[0].person == lab.actor.person or lab.may(Action.PEOPLE)):
            raise NotFound("no such session", hint="see `cloister session ls`")
        lab.ledger.append(tx, [closing(act, found[0].session)])

    lab.database.write(write)


def closing(act: Act, session: SessionId) -> Event:
    """The event that closes a session."""
    return act.event("session.closed", {"session": session})


def _take(tx: Transaction, shown: Shown) -> None:
    """Takes what was shown, once: a code seen before, or a counter gone back, is a copy."""
    own = credentials.of_person(tx, shown.person)
    found = next((one for one in own if one.credential == shown.credential), None)
    if found is None:
        raise NotAllowed(REFUSED)
    counts = found.kind == TOTP or (found.kind == PASSKEY and (found.uses or shown.uses))
    if counts and shown.uses <= found.uses:
        raise NotAllowed(REFUSED)


def _proved(lab: Lab, shown: Shown) -> str:
    """When they showed it, by whoever saw it; never later than now."""
    if shown.at is None:
        return _times.now(lab)
    never = datetime(1970, 1, 1, tzinfo=UTC)
    return timestamp(shown.at if shown.at <= lab.clock.now() else never)

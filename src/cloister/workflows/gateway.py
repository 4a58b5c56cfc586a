"""The gateway's own: one at a time, its certificate, and the token that its start issues."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cloister.core.clock import timestamp
from cloister.core.errors import Conflict
from cloister.core.events import Transaction
from cloister.core.files import write_durably
from cloister.core.values import Actor
from cloister.identity import people
from cloister.keys.values import Certificate
from cloister.policy import Action
from cloister.workflows.lab import Act, Lab
from cloister.workflows.people.invitations import Invitation, first_invitation

_CERTIFICATE_DAYS = 30
_TOKEN_LIFE = timedelta(days=30)
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what is asked for, not bound
PURPOSE = "gateway"


@dataclass(frozen=True, slots=True)
class StartToken:
    """A token for whoever started the gateway; it is good in this process alone."""

    lab: Lab
    file: Path
    """0600, gone at the end."""
    digest: str = field(repr=False)
    expires: datetime

    def __call__(self, presented: str) -> Actor | None:
        """Whoever started the gateway, in their role of today; None for any other token.

        None too once it has expired, or its owner has left.
        """
        same = hmac.compare_digest(people.token_digest(presented), self.digest)
        if not same or self.lab.clock.now() >= self.expires:
            return None
        return self.lab.read(self._owner)

    def _owner(self, tx: Transaction) -> Actor | None:
        member = people.by_id(tx, self.lab.actor.person)
        if member is None or member.removed is not None:
            return None
        return people.actor(tx, member, f"token:{PURPOSE}", present=False)


@contextmanager
def started(lab: Lab) -> Iterator[StartToken]:
    """The one gateway of the lab, while the block lasts; raises Conflict for a second one."""
    act = lab.act(Action.SERVE)
    with _alone(lab):
        token = _issue(act)
        try:
            yield token
        finally:
            token.file.unlink(missing_ok=True)


def invitation(lab: Lab) -> Invitation | None:
    """How whoever starts the gateway makes their login, while the lab has none at all."""
    return first_invitation(lab) if lab.may(Action.PEOPLE) else None


def names(host: str) -> frozenset[str]:
    """What the gateway is called, in its certificate and by its visitors."""
    named = socket.gethostname().lower() if host in _EVERYWHERE else host.lower()
    return frozenset({named, "localhost", "127.0.0.1"})


def shown(host: str) -> str:
    """The host as it stands in an address."""
    if host in _EVERYWHERE:
        return socket.gethostname().lower()
    return f"[{host}]" if ":" in host else host


def certificate(lab: Lab, host: str) -> Certificate:
    """A fresh one for this host, under the lab's authority."""
    return lab.keys.server_certificate(sorted(names(host)), lifetime_days=_CERTIFICATE_DAYS)


@contextmanager
def _alone(lab: Lab) -> Iterator[None]:
    lock = lab.alone("gateway")
    try:
        lock.__enter__()
    except Conflict as error:
        raise Conflict(
            "this lab's gateway is up already", hint="stop it first: Ctrl-C where it runs"
        ) from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _issue(act: Act) -> StartToken:
    lab = act.lab
    expires = lab.clock.now() + _TOKEN_LIFE
    token, digest = people.new_token(lab.randomness)
    body = {
        "expires": timestamp(expires),
        "person": lab.actor.person,
        "purpose": PURPOSE,
        "role": lab.actor.role,
        "sha256": digest,
    }
    act.record([act.event("token.issued", body)])
    path = lab.runtime / "gateway.token"
    write_durably(path, token.encode())
    return StartToken(lab, path, digest, expires)

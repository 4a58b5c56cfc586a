"""Up: the lab over HTTPS, for clients and browsers outside, until it is told to stop."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.datastructures import Headers

from cloister.core.errors import CloisterError, DurabilityLost
from cloister.identity.provider import ProviderSettings
from cloister.serving import Address, HttpsServer, ServerIdentity
from cloister.web.app import WebApp
from cloister.web.credentials import presented_token
from cloister.web.dispatcher import dispatching
from cloister.web.people.desk import Desk, new_desk
from cloister.web.people.gate import NOBODY, Gate
from cloister.web.people.oidc import Provider
from cloister.web.runners import Nursery
from cloister.workflows import gateway
from cloister.workflows.gateway import StartToken
from cloister.workflows.lab import Lab
from cloister.workflows.people.invitations import Invitation
from cloister.workflows.people.tokens import actor_of_token
from cloister.workflows.recovery.drain import drain
from cloister.workflows.tracking.visit import Visit

_TENDED_S = 600.0
_TENDINGS_A_CERTIFICATE = 7 * 24 * 6
"""A fresh one every week."""


@dataclass(frozen=True, slots=True)
class Up:
    """A gateway that answers."""

    url: str
    token_file: Path
    ca_file: Path
    invitation: Invitation | None
    """For whoever started it, while nobody can log in yet."""


@dataclass(frozen=True, slots=True)
class TokenDoor:
    """Lets in who presents a token; they come from outside a fence."""

    lab: Lab
    started: StartToken

    def __call__(self, headers: Headers) -> Visit | None:
        """The visit of the token's owner."""
        presented = presented_token(headers)
        if presented is None:
            return None
        actor = self.started(presented) or actor_of_token(self.lab, presented)
        return None if actor is None else Visit(replace(self.lab, actor=actor))


def up(
    lab: Lab,
    address: Address,
    ready: Callable[[Up], None],
    elsewhere: ProviderSettings | None = None,
    folders: tuple[Path, ...] = (),
) -> None:
    """Answers until SIGINT or SIGTERM; ``ready`` is called once it does.

    Jobs that are asked for through it work in ``folders``.

    What was acknowledged is durable: killed at any moment, nothing of it is lost. Raises
    Conflict where a gateway of this lab runs, BadInput for an address that cannot be had,
    DurabilityLost when the record broke while it ran.
    """
    nursery = Nursery(lab, lab.runtime / "runners.log")
    lab = replace(lab, folders=folders, starter=nursery.ask)
    with gateway.started(lab) as token:
        desk = _desk(lab, address.host, elsewhere)
        app = WebApp(TokenDoor(lab, token), desk)
        desk.intake.broken = app.health.fail
        server = HttpsServer(app, address, _identity(lab, address.host))

        def bound(port: int) -> None:
            gc.collect()
            gc.freeze()  # what is there now stays: no search for garbage looks at it again
            url = f"https://{gateway.shown(address.host)}:{port}"
            ready(Up(url, token.file, lab.folder / "ca.pem", gateway.invitation(lab)))

        with (
            _tended(lab, address.host, app, server, desk),
            dispatching(lab, nursery, app.health.fail),
        ):
            server.run(bound)


def _desk(lab: Lab, host: str, elsewhere: ProviderSettings | None) -> Desk:
    gate = Gate(replace(lab, actor=NOBODY), gateway.names(host))
    if elsewhere is None:
        return new_desk(gate)
    return new_desk(gate, Provider(elsewhere, lab.clock, lab.randomness))


def _identity(lab: Lab, host: str) -> ServerIdentity:
    made = gateway.certificate(lab, host)
    return ServerIdentity(made.chain_pem, made.key_pem)


@contextmanager
def _tended(
    lab: Lab, host: str, app: WebApp, server: HttpsServer, desk: Desk
) -> Iterator[None]:
    """What waits to be added is, at once; and every ten minutes, when what the key service
    was asked goes on record; certificates change."""
    ended = threading.Event()

    def tend() -> None:
        since, pause_s = 0, 0.0
        while not ended.wait(pause_s):
            since, pause_s = since + 1, _TENDED_S
            try:
                desk.intake.tend(lab)
                if since > 1:
                    drain(lab)
                if since >= _TENDINGS_A_CERTIFICATE:
                    server.show(_identity(lab, host))
                    since = 0
            except DurabilityLost as failure:
                app.health.fail(failure)
                return
            except CloisterError:  # the keys are locked just now: tried again
                continue

    thread = threading.Thread(target=tend, name="tending", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()

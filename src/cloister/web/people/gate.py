"""Who asks a page, and whether it is really them who asks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from cloister.core.errors import NotAllowed
from cloister.core.ids import PersonId
from cloister.core.values import Actor
from cloister.identity.sessions import Session
from cloister.web.people import cookies
from cloister.web.people.asking import SAFE, Ask
from cloister.workflows.lab import Lab
from cloister.workflows.people.passkeys import Site
from cloister.workflows.people.sessions import actor_of_session

NOBODY = Actor(PersonId(""), "nobody", "anonymous", frozenset(), frozenset(), present=False)
_WORD = r"(?:[A-Za-z0-9_@,:=+-]|%[0-9A-F]{2})+"
_SAID = r"[A-Za-z0-9_@,:=+.&%-]*"
_LOCAL = re.compile(rf"/(?:[a-z0-9_-]+(?:/{_WORD}(?:\.{_WORD})*)*)?(?:\?{_SAID})?")


@dataclass(frozen=True, slots=True)
class Guest:
    """Whoever asks: the lab as they get it, and their session if they have one."""

    lab: Lab
    session: Session | None = None

    @property
    def present(self) -> bool:
        """Whether they showed who they are just now."""
        return self.session is not None and self.lab.actor.present


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets requests through to pages."""

    lab: Lab
    """As nobody gets it."""
    names: frozenset[str]
    """What the lab is called, as its certificate says."""

    def enter(self, ask: Ask) -> Guest:
        """Who asks; raises NotAllowed for what another site's page made a browser do."""
        self.check(ask)
        secret = ask.cookies.get(cookies.SESSION)
        found = actor_of_session(self.lab, secret) if secret else None
        if found is None:
            return Guest(self.lab)
        return Guest(replace(self.lab, actor=found[1]), found[0])

    def check(self, ask: Ask) -> None:
        """Raises NotAllowed for a foreign name or, where something changes, a foreign origin.

        Browsers send Origin with every request that is no GET or HEAD (Fetch 3.2); whoever
        is no browser can write what they like there, and has no victim's cookies to send.
        """
        if _host(ask.host) not in self.names:
            raise NotAllowed("this lab does not go by that name")
        if ask.method in SAFE:
            return
        if ask.origin != f"https://{ask.host}":
            raise NotAllowed("this came from another site's page")
        if ask.site not in {None, "same-origin"}:
            raise NotAllowed("this came from another site's page")

    def site(self, ask: Ask) -> Site:
        """Where the browser is, for passkeys."""
        return Site(_host(ask.host), f"https://{ask.host}")


def local(path: str) -> str:
    """``path`` if it leads to a page of ours, else the first page: nobody is sent elsewhere."""
    return path if _LOCAL.fullmatch(path) else "/"


def _host(named: str) -> str:
    """The name without its port; of an IPv6 address without its brackets."""
    if named.startswith("["):
        return named[1:].partition("]")[0]
    return named.partition(":")[0].lower()

"""Whoever asks: their name, role, and what they may; and what the lab is."""

from __future__ import annotations

from typing import Any

from cloister import __version__
from cloister.policy import GRAVE
from cloister.web.console.calls import Asked, Call
from cloister.workflows.views import me as view


def me(asked: Asked) -> dict[str, Any]:
    """Who asks, and in which lab."""
    found = view.myself(asked.lab)
    return {
        "person": found.person,
        "name": found.name,
        "role": found.role,
        "by": "token" if asked.session is None else "session",
        "present": asked.lab.actor.present,
        "actions": found.actions,
        "grave": sorted(GRAVE),
        "projects": found.projects,
        "everywhere": asked.lab.actor.projects is None,
        "until": None if asked.session is None else asked.session.expires,
        "lab": {
            "id": asked.lab.id,
            "version": __version__,
            "keys": found.keys,
            "development_seal": found.development_seal,
            "at": found.at,
        },
    }


CALLS = (Call("GET", "/me", me),)

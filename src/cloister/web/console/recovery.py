"""Recovery: how the lab would come back."""

from __future__ import annotations

from cloister.web.console.calls import Asked, Call
from cloister.workflows.views import recovery as view


def recovery(asked: Asked) -> object:
    """Backups, rehearsals, the recovery secret and the second copy of the keys."""
    return view.recovery(asked.lab)


CALLS = (Call("GET", "/recovery", recovery),)

"""An error of the tree, as the interface tells it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cloister.core.errors import (
    BadInput,
    CloisterError,
    Conflict,
    DatabaseDown,
    Denied,
    Erased,
    KeysUnavailable,
    MachineLost,
    NeedsApproval,
    NoSpace,
    NotAllowed,
    NotFound,
    TooManyAttempts,
)
from cloister.policy import Action, decide
from cloister.web.people.gate import Guest

PROVE = "/account/prove"
"""Where somebody shows again who they are."""
_STATUS: tuple[tuple[type[CloisterError], int], ...] = (
    (TooManyAttempts, 429),
    (NeedsApproval, 409),
    (Denied, 403),
    (NotFound, 404),
    (Conflict, 409),
    (NoSpace, 507),
    (BadInput, 400),
    (Erased, 410),
    (KeysUnavailable, 503),
    (DatabaseDown, 503),
    (MachineLost, 503),
)
LOG_IN: dict[str, Any] = {
    "error": {
        "code": "log_in",
        "message": "log in first",
        "hint": "in the browser at /login; elsewhere with a bearer token",
    }
}
"""What nobody is told."""


def refused(error: CloisterError, guest: Guest, needs: Action) -> tuple[int, dict[str, Any]]:
    """The status and the body; with where to go, where showing who one is would help."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    told: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, NotAllowed) and _presence_helps(guest, needs):
        told["prove"] = PROVE
    return status, {"error": told}


def _presence_helps(guest: Guest, needs: Action) -> bool:
    if guest.session is None or guest.present:
        return False
    there = replace(guest.lab.actor, present=True)
    return decide(there, needs, rules=guest.lab.rules).allowed

"""Who may do what: one table, one question, one reasoned answer."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from cloister.core.errors import NotAllowed
from cloister.core.values import Actor, Decision


class Action(StrEnum):
    """Everything policy is asked about."""

    ADMINISTER = "administer"
    ADD = "add"
    LIST = "list"
    READ = "read"
    LABEL = "label"
    RUN = "run"
    SERVE = "serve"
    PREDICT = "predict"
    PROVE = "prove"
    TRACE = "trace"
    ERASE = "erase"
    AUDIT = "audit"


_LOOK = frozenset({Action.LIST, Action.AUDIT, Action.PROVE})
ROLES: Mapping[str, frozenset[Action]] = {
    "admin": frozenset(Action),
    "engineer": _LOOK
    | {Action.ADD, Action.READ, Action.LABEL, Action.RUN, Action.SERVE, Action.PREDICT},
    "annotator": frozenset({Action.LIST, Action.READ, Action.LABEL}),
    "auditor": _LOOK | {Action.TRACE},
    "service": frozenset({Action.PREDICT}),
}
"""The auditor (data-protection officer) reads the record and never the data."""


def decide(actor: Actor, action: Action) -> Decision:
    """Whether ``actor`` may, and the sentence that goes into the event."""
    if action in ROLES.get(actor.role, frozenset()):
        return Decision(True, f"role {actor.role} may {action}")
    return Decision(False, f"role {actor.role} may not {action}")


def require(actor: Actor, action: Action) -> Decision:
    """The decision, if it allows; raises NotAllowed with its reason otherwise."""
    decision = decide(actor, action)
    if not decision.allowed:
        able = ", ".join(sorted(role for role, may in ROLES.items() if action in may))
        raise NotAllowed(decision.reason, hint=f"ask someone with the role {able}")
    return decision

"""The one question, and its reasoned answer."""

from __future__ import annotations

from typing import Protocol

from cloister.core.errors import NotAllowed, NotFound
from cloister.core.events import Transaction
from cloister.core.values import Actor, Decision
from cloister.policy.actions import GRAVE, Action
from cloister.policy.question import LAB, Question, Resource
from cloister.policy.roles import ROLES


class Rules(Protocol):
    """Answers questions. Pure: the same question, the same answer; safe from every thread."""

    def __call__(self, question: Question, tx: Transaction | None = None, /) -> Decision:
        """Whether it may be, and the sentence that goes into the event.

        Rules that are on record are those that ``tx`` sees, where one is given.
        """


def built_in(question: Question, _: Transaction | None = None) -> Decision:
    """What shipped.cedar says, without a Cedar engine: a test compares them, whole."""
    if refused := question.refused():
        return refused
    actor, action = question.actor, question.action
    if action not in ROLES.get(actor.role, frozenset()):
        return Decision(False, f"role {actor.role} may not {action}")
    if action in GRAVE and not actor.present:
        return Decision(False, f"to {action}, show again who you are")
    return Decision(True, f"role {actor.role} may {action}")


def decide(
    actor: Actor,
    action: Action,
    on: Resource = LAB,
    rules: Rules = built_in,
    tx: Transaction | None = None,
) -> Decision:
    """Whether ``actor`` may, and the sentence that goes into the event."""
    return rules(Question(actor, action, on), tx)


def require(
    actor: Actor,
    action: Action,
    on: Resource = LAB,
    rules: Rules = built_in,
    tx: Transaction | None = None,
) -> Decision:
    """The decision, if it allows.

    Raises NotAllowed with its reason; NotFound for what is another project's, as if it were
    not there.
    """
    decision = decide(actor, action, on, rules, tx)
    if decision.hidden:
        raise NotFound(f"no {on.kind} of that name")
    if not decision.allowed:
        raise NotAllowed(decision.reason, hint=_way_out(actor, action))
    return decision


def _way_out(actor: Actor, action: Action) -> str:
    if action in ROLES.get(actor.role, frozenset()):
        if actor.scopes is not None:
            return "use a token whose scope holds it, or do it in person"
        if actor.via.startswith("peer:"):
            return "say --prove before the command: cloister --prove ..."
        return "log in again; a session left open is not enough"
    able = ", ".join(sorted(role for role, may in ROLES.items() if action in may))
    return f"ask someone with the role {able}"

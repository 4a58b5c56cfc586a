"""A lab's own policies: set, shown, tried, and asked at every decision."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.core.values import Decision
from cloister.db import Database
from cloister.identity import own_policies, people
from cloister.policy import LAB, Action, Question, Resource, built_in, decide
from cloister.workflows.lab import Lab


@dataclass(frozen=True, slots=True)
class RecordedRules:
    """`Rules` as the record has them at each question: a change holds for the next request."""

    database: Database

    def __call__(self, question: Question, tx: Transaction | None = None) -> Decision:
        """The built-in answer; Cedar's, once the lab has policies of its own."""
        if tx is not None:
            own = own_policies.in_force(tx)
        else:
            with self.database.read() as snapshot:
                own = own_policies.in_force(snapshot)
        if not own:
            return built_in(question)
        from cloister.policy.cedar import CedarRules

        return CedarRules(own)(question)


def set_policies(lab: Lab, text: str) -> tuple[str, ...]:
    """From now on these hold beside the shipped ones; an empty text takes all back.

    Gives their ids. Raises BadInput for what is not sound Cedar, or would leave whoever sets
    them unable to set others.
    """
    from cloister.policy.cedar import CedarRules, check

    act = lab.act(Action.ADMINISTER)
    ids = check(text) if text.strip() else ()
    if ids and not decide(lab.actor, Action.ADMINISTER, LAB, CedarRules(text)).allowed:
        raise BadInput("with these policies you could not administer the lab any more")
    act.record([act.event("policy.set", {"text": text if ids else ""})])
    return ids


def show_policies(lab: Lab) -> str:
    """The lab's own policies; empty where there are none."""
    lab.act(Action.LIST)
    return lab.read(own_policies.in_force)


def try_policy(lab: Lab, member: str, action: str, on: Resource = LAB) -> Decision:
    """What a member, logged in just now, would be answered; raises NotFound, BadInput."""
    lab.act(Action.LIST)
    if action not in list(Action):
        raise BadInput(f"no such action: expected {', '.join(Action)}")
    actor = lab.read(lambda tx: people.actor(tx, people.find(tx, member), "session:tried"))
    return decide(actor, Action(action), on, lab.rules)

"""The two-person rule: asked for, given or refused, used once, for exactly one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cloister.core.errors import Conflict, NeedsApproval, NotAllowed
from cloister.core.events import Event, Transaction
from cloister.core.ids import ApprovalId, PersonId
from cloister.identity import approvals, people, rulings
from cloister.identity.approvals import GIVEN, REFUSED, WAITING, Approval
from cloister.policy import Action, TwoPersons, decide
from cloister.workflows.lab import Act, Lab
from cloister.workflows.people import _times

RULE = "rule"
"""What a request is for that would loosen the rule itself."""


@dataclass(frozen=True, slots=True)
class ApprovalLine:
    """One request, as a list shows it."""

    approval: Approval
    asker: str
    decider: str | None
    state: str
    """As it stands now: a request or a consent that was left too long is ``expired``."""


def consent(act: Act, action: Action, what: Mapping[str, Any]) -> Approval | None:
    """A second person's consent to do exactly ``what``; None where the lab asks for none.

    Raises NeedsApproval where there is none yet, having put the request on record.
    """
    if action not in act.lab.read(lambda tx: rule(act.lab, tx)).actions:
        return None
    return agreed(act, action, what)


def rule(lab: Lab, tx: Transaction) -> TwoPersons:
    """The rule that holds: the record's; before it has one, that of the settings."""
    found = rulings.in_force(tx)
    return lab.two_persons if found is None else TwoPersons(found.actions, found.within_h)


def agreed(act: Act, action: str, what: Mapping[str, Any]) -> Approval:
    """A second person's consent to do exactly ``what``, whatever the rule says.

    Raises NeedsApproval where there is none yet, having put the request on record.
    """
    lab = act.lab
    found = lab.read(lambda tx: approvals.about(tx, action, what, lab.actor.person))
    standing = [one for one in found[:1] if _state(lab, one) in {WAITING, GIVEN}]
    if not standing:
        raise _waiting(_ask(act, action, what))
    if standing[0].state == WAITING:
        raise _waiting(standing[0].approval)
    return standing[0]


def use(act: Act, tx: Transaction, given: Approval, operation: str) -> Event:
    """The event that uses a consent up, in the transaction of what it is for.

    Found out again, here, that it still holds: not used meanwhile, not expired, and given by
    somebody else who is still a member and still may. Raises NotAllowed.
    """
    lab, found = act.lab, approvals.find(tx, given.approval)
    if _state(lab, found) != GIVEN or found.decider is None:
        raise NotAllowed(f"the consent {found.approval} does not hold any more")
    if lab.actor.person == found.decider or found.asker != lab.actor.person:
        raise NotAllowed(f"the consent {found.approval} is for another person to use")
    decider = people.by_id(tx, found.decider)
    if decider is None or decider.removed is not None:
        raise NotAllowed(f"who gave the consent {found.approval} is no member any more")
    them = people.actor(tx, decider, "approval")
    if not decide(them, Action.APPROVE, rules=lab.rules).allowed:
        raise NotAllowed(f"who gave the consent {found.approval} may not give it any more")
    return act.event("approval.used", {"approval": found.approval, "operation": operation})


def decide_approval(lab: Lab, approval: str, *, give: bool) -> Approval:
    """Agrees to a request of somebody else's, or refuses it.

    Raises NotFound, NotAllowed for one's own, Conflict for one that is decided or expired.
    """
    act = lab.act(Action.APPROVE)

    def write(tx: Transaction) -> Approval:
        found = approvals.find(tx, approval)
        if found.asker == lab.actor.person:
            raise NotAllowed("nobody agrees to their own request", hint="ask somebody else")
        if (state := _state(lab, found)) != WAITING:
            raise Conflict(f"the request {found.approval} is {state}")
        kind = "approval.given" if give else "approval.refused"
        lab.ledger.append(tx, [act.event(kind, {"approval": found.approval})])
        state = GIVEN if give else REFUSED
        return replace(found, state=state, decider=lab.actor.person)

    return lab.database.write(write)


def list_approvals(lab: Lab, *, everything: bool = False) -> list[ApprovalLine]:
    """What waits or is agreed upon; with ``everything`` what is over, too."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> list[ApprovalLine]:
        names = {one.person: one.name for one in people.everyone(tx, removed=True)}

        def name(person: PersonId) -> str:
            return names.get(person, person)

        lines = [
            ApprovalLine(
                one,
                name(one.asker),
                None if one.decider is None else name(one.decider),
                _state(lab, one),
            )
            for one in approvals.everything(tx)
            if lab.may(Action.APPROVE) or one.asker == lab.actor.person
        ]
        return [line for line in lines if everything or line.state in {WAITING, GIVEN}]

    return lab.read(query)


def _ask(act: Act, action: str, what: Mapping[str, Any]) -> ApprovalId:
    lab = act.lab
    approval = ApprovalId.new(lab.randomness)
    within_h = lab.read(lambda tx: rule(lab, tx)).within_h
    body = {
        "action": str(action),
        "approval": approval,
        "expires": _times.after(lab, timedelta(hours=within_h)),
        "what": dict(what),
    }
    act.record([act.event("approval.requested", body)])
    return approval


def _waiting(approval: ApprovalId) -> NeedsApproval:
    return NeedsApproval(
        f"a second person has to agree: {approval}",
        hint=f"they say `cloister approval approve {approval}`, or do it in the browser; then"
        " run the same command again",
    )


def _state(lab: Lab, approval: Approval) -> str:
    over = approval.state in {WAITING, GIVEN} and approval.expires <= _times.now(lab)
    return "expired" if over else approval.state

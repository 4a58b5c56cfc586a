"""The two-person rule itself: the record's, tightened by one, loosened by two."""

from __future__ import annotations

from collections.abc import Collection

from cloister.core.clock import timestamp
from cloister.core.errors import BadInput, Conflict
from cloister.core.events import Event, Transaction
from cloister.core.ids import OperationId
from cloister.identity import rulings
from cloister.policy import Action, TwoPersons
from cloister.workflows.lab import Lab
from cloister.workflows.people import approvals

RULED = (Action.ERASE, Action.CLASSIFY)
"""What can need two persons."""
_MOST_HOURS = 720


def show(lab: Lab) -> TwoPersons:
    """The rule that holds."""
    lab.act(Action.LIST)
    return lab.read(lambda tx: approvals.rule(lab, tx))


def adopt(lab: Lab) -> bool:
    """Puts the settings' rule on record where the record has none; False where it has.

    From then on nobody loosens it by writing to the settings.
    """
    first = lab.two_persons
    if not first.actions or lab.read(rulings.in_force) is not None:
        return False
    now, reason = timestamp(lab.clock.now()), "cloister.toml gives the first value"
    event = Event("approval.ruled", now, lab.actor.person, reason, _body(first, None))

    def write(tx: Transaction) -> bool:
        if rulings.in_force(tx) is not None:
            return False
        lab.ledger.append(tx, [event])
        return True

    return lab.database.write(write)


def change(
    lab: Lab,
    require: Collection[str] = (),
    waive: Collection[str] = (),
    within_h: int | None = None,
) -> TwoPersons:
    """Another rule: more actions, fewer, or consents that hold for another time.

    Whatever it lets one person do that two had to, or for longer, needs a second person
    itself: raises NeedsApproval. Raises BadInput, Conflict where that is the rule already.
    """
    act = lab.act(Action.PEOPLE)
    if unknown := {*require, *waive} - {*RULED}:
        raise BadInput(
            f"two persons are asked for {' and '.join(RULED)} alone,"
            f" not for {', '.join(sorted(unknown))}"
        )
    if {*require} & {*waive}:
        raise BadInput("an action is required or waived, not both")
    if within_h is not None and not 1 <= within_h <= _MOST_HOURS:
        raise BadInput(f"a request holds for 1 to {_MOST_HOURS} hours")
    before = lab.read(lambda tx: approvals.rule(lab, tx))
    wanted = TwoPersons(
        frozenset(before.actions | {*require}) - {*waive}, within_h or before.within_h
    )
    if wanted == before:
        raise Conflict("that is the rule already")
    what = {"actions": sorted(wanted.actions), "within_h": wanted.within_h}
    given = approvals.agreed(act, approvals.RULE, what) if _looser(before, wanted) else None
    operation = None if given is None else OperationId.new(lab.randomness)

    def write(tx: Transaction) -> None:
        if approvals.rule(lab, tx) != before:
            raise Conflict("the rule was changed by somebody else meanwhile")
        told = [act.event("approval.ruled", _body(wanted, operation))]
        if given is not None and operation is not None:
            told.insert(0, approvals.use(act, tx, given, operation))
        lab.ledger.append(tx, told)

    lab.database.write(write)
    return wanted


def _looser(before: TwoPersons, wanted: TwoPersons) -> bool:
    """Whether somebody could do alone, or with an older consent, what they could not."""
    longer = bool(before.actions) and wanted.within_h > before.within_h
    return longer or not before.actions <= wanted.actions


def _body(rule: TwoPersons, operation: str | None) -> dict[str, object]:
    actions = sorted(rule.actions)
    return {"actions": actions, "operation": operation, "within_h": rule.within_h}

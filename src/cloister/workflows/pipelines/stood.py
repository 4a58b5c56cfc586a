"""What the record says of one run of a pipeline, and how its steps stand by that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloister.core.events import Transaction
from cloister.pipelines import history
from cloister.pipelines.history import Attempt, Flow, Reused
from cloister.pipelines.plan import Plan
from cloister.pipelines.standing import Stand, standings


@dataclass(frozen=True, slots=True)
class Record:
    """All that the record says of one run of a pipeline."""

    attempts: Sequence[Attempt]
    reused: Sequence[Reused]
    stands: Sequence[Stand]


def record_of(tx: Transaction, found: Flow, plan: Plan) -> Record:
    """All of it, and how each step stands by that."""
    attempts, reused = history.attempts(tx, found.flow), history.reused(tx, found.flow)
    asked = {one.node for each in plan.steps for one in each.conditions}
    last = {one.job: one for one in attempts}
    # Of the others nobody asks whether they count as true.
    before = history.attempts_of(tx, [one.run for one in reused if one.step in asked])
    taken = {one.job: one.run not in before or bool(before[one.run].truth) for one in reused}
    return Record(attempts, reused, standings(plan, last, taken, found.state))

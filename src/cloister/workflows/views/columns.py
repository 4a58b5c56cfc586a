"""What the table of runs can show beside its own columns: names of metrics, params, tags."""

from __future__ import annotations

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.policy import Action
from cloister.tracking import experiments, names
from cloister.tracking.experiments import ACTIVE
from cloister.tracking.names import Used
from cloister.workflows.lab import Lab
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.visit import Visit

MOST = 200


def columns(lab: Lab, kind: str = "", contains: str = "", most: int = 30) -> list[Used]:
    """Up to ``most`` names of each kind that hold ``contains``, the commonest first.

    Raises BadInput for a kind that is none.
    """
    lab.act(Action.LIST)
    if kind not in {"", *names.KINDS}:
        raise BadInput(f"a kind of columns is one of {', '.join(names.KINDS)}")
    visit = Visit(lab)
    most = max(1, min(most, MOST))

    def query(tx: Transaction) -> list[Used]:
        homes = [
            one.number
            for one in experiments.everything(tx)
            if one.stage == ACTIVE and seen.shares(visit, tx, one)
        ]
        found: list[Used] = []
        for one in (kind,) if kind else names.KINDS:
            found += names.used(tx, one, homes, contains, most)
        return found

    return lab.read(query)

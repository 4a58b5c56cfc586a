"""Two runs side by side, by whichever of their ids: what the fence knows of both."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.policy import Action
from cloister.runs.restoring import FileChange
from cloister.workflows.lab import Lab
from cloister.workflows.runs import difference
from cloister.workflows.runs.difference import RunDifference
from cloister.workflows.tracking.visit import Visit
from cloister.workflows.views.run import both_sides


@dataclass(frozen=True, slots=True)
class Beside:
    """What sets two runs apart; every part is empty where they agree."""

    between: RunDifference
    code: tuple[FileChange, ...]


def beside(lab: Lab, first: str, second: str) -> Beside:
    """Two runs that ended; that their code is read is on record.

    Raises NotFound, BadInput where one did not end, or no fence was around it.
    """
    lab.act(Action.READ)

    def query(tx: Transaction) -> list[str]:
        return [_fenced(Visit(lab), tx, name) for name in (first, second)]

    one, other = lab.read(query)
    return Beside(*difference.beside(lab, one, other))


def _fenced(visit: Visit, tx: Transaction, name: str) -> str:
    run, _ = both_sides(visit, tx, name)
    if run is None:
        raise BadInput(f"no fence was around {name}: of its code and data nothing is known")
    return run.run

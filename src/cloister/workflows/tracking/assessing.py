"""An assessment on its way in: cleaned and sealed before it is on record."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.errors import BadInput
from cloister.core.events import Event, Transaction
from cloister.runs.identified import Place
from cloister.store import Placement
from cloister.tracking import artifacts, assessments
from cloister.tracking.artifacts import Artifact
from cloister.tracking.artifacts import Place as Spot
from cloister.tracking.assessments import Assessment
from cloister.workflows.lab import Act
from cloister.workflows.tracking.artifacts import placed, sealed
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.visit import Visit


@dataclass(frozen=True, slots=True)
class Ready:
    """An assessment about to be recorded."""

    one: Assessment
    kept: Artifact
    placements: list[Placement]

    def events(self, act: Act, tx: Transaction) -> list[Event]:
        """That it is there; raises BadInput where its trace has too many."""
        holder = self.kept.holder
        is_there = artifacts.at(tx, holder, self.kept.path) is not None
        if not is_there and artifacts.extent(tx, holder)[0] >= assessments.MOST:
            raise BadInput(f"a trace has at most {assessments.MOST} assessments")
        return placed(act, tx, self.kept, self.placements)


def ready(visit: Visit, cleaner: Cleaner, spot: Spot, one: Assessment) -> Ready:
    """It without ids of patients, its sealed bytes durable, before it is on record."""
    clean = assessments.with_texts(one, lambda texts: cleaner.texts(Place.TRACE, texts))
    return Ready(clean, *sealed(visit, spot, [clean.content()]))

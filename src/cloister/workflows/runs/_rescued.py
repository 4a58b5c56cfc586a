"""What a killed run had said: its live log, sealed as its log."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.core.errors import Tampered
from cloister.core.events import Event
from cloister.core.ids import RunId
from cloister.runs.identified import Place
from cloister.store import ObjectWriter, Placement
from cloister.workflows._findings import findings
from cloister.workflows._keeping import Keeper
from cloister.workflows.lab import Act
from cloister.workflows.leases import live


def rescued(
    act: Act, run: RunId, writer: ObjectWriter
) -> tuple[Sequence[Event], Sequence[Placement]]:
    """The events and the place of what ``run`` said until it was killed; none where it said
    nothing, or its key is gone."""
    try:
        log = live.everything(act.lab, run)
    except Tampered:  # nobody vouches for it, and it was no record
        return (), ()
    if not log:
        return (), ()
    keeper = Keeper(act, run, writer)
    keeper.keep("log", "log", log)
    named = act.lab.identifier.in_output(log)
    return [*keeper.events(), *findings(act, run, {Place.OUTPUT: named})], keeper.placements()

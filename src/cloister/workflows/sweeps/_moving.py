"""Trials that ended for their machine's sake: they are tried again, and nobody is told of it.

A trial whose machine does not answer goes elsewhere as often as that happens. Where it does
answer, what killed the trial may have been the trial: it is tried once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cloister.core.ids import RunId
from cloister.workflows.sweeps._going import Going, Over
from cloister.workflows.sweeps._spots import Spots
from cloister.workflows.sweeps._trials import Outcome

_MAY_BE_THE_MACHINE = frozenset({"killed", "refused"})
_TRIES = 2


@dataclass(frozen=True, slots=True)
class Move:
    """A trial that goes on as another run."""

    going: Going
    """As it was."""
    came: Outcome
    """``moved``, and why."""
    on: str | None
    tries: int

    def again(self, run: RunId) -> Going:
        """The same trial, as ``run``."""
        chosen = replace(self.going.chosen, on=self.on)
        return Going(self.going.number, run, chosen, tries=self.tries, moved=True)


def sort_out(
    over: Iterable[Over], spots: Spots, loads: Counter[str | None], *, stopping: bool
) -> tuple[list[Over], list[Move]]:
    """Those that have ended for good, and those that go on; neither: it waits for a machine.

    ``loads`` counts the trials at each machine, those of ``over`` too; it is set right.
    """
    ended: list[Over] = []
    moves: list[Move] = []
    for one in over:
        going, on = one.going, one.going.chosen.on
        loads[on] -= 1
        if on is None or one.ended.why not in _MAY_BE_THE_MACHINE:
            ended.append(one)
            continue
        if not going.doubted:
            going.doubted = True
            spots.doubt(on)
        there = spots.is_there(on)
        if stopping or spots.nobody:
            why = "" if stopping else "away"
            lost = Outcome("interrupted", why, one.ended.logged)
            ended.append(replace(one, ended=lost))
        elif there and going.tries >= _TRIES:
            ended.append(one)
        elif there is not None and (spot := spots.choose(loads)) is not None:
            loads[spot.on] += 1
            why = one.ended.why if there else "lost"
            moves.append(Move(going, Outcome("moved", why), spot.on, going.tries + there))
    return ended, moves

"""Who is stopped early: W&B's hyperband, which looks at what all runs had logged by then.

After Li et al., Hyperband (JMLR 18, 2018), as successive halving without waiting: a run that
has logged its metric as often as one of the bands says is stopped unless it is among the best
1/eta of all that came so far. An iteration is one value logged, whatever step it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MOST_BANDS = 100


@dataclass(frozen=True, slots=True)
class Hyperband:
    """When runs are looked at, and how many go on."""

    eta: float
    strict: bool = False
    """Judges a run by its value at the band; otherwise by its best so far."""
    lowest: int | None = None
    highest: int | None = None
    times: int | None = None

    @property
    def bands(self) -> tuple[int, ...]:
        """After how many values: from ``lowest`` up, or from ``highest`` down; rising."""
        if self.lowest is not None:
            factors = (self.eta**power for power in range(_MOST_BANDS))
            return tuple(dict.fromkeys(int(self.lowest * factor) for factor in factors))
        assert self.highest is not None
        assert self.times is not None
        found = (int(self.highest / self.eta**power) for power in range(1, self.times + 1))
        return tuple(sorted({band for band in found if band >= 1}))

    def band(self, logged: int) -> int | None:
        """The last band that a run with so many values has come to."""
        return max((band for band in self.bands if band <= logged), default=None)

    def stops(self, losses: Sequence[float], others: Sequence[Sequence[float]]) -> bool:
        """Whether a run goes no further; ``others`` are all runs', its own among them.

        The smaller a loss the better; a metric to be made large comes with its sign turned.
        """
        band = self.band(len(losses))
        if band is None:
            return False
        there = sorted(one[band - 1] for one in others if len(one) >= band)
        if not there:
            return False
        bound = there[int(len(there) / self.eta)]
        return (losses[band - 1] if self.strict else min(losses)) > bound

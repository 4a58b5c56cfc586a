"""How a run is part of a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloister.core.events import Event
from cloister.core.values import KeyGrant
from cloister.fence import Mount


@dataclass(frozen=True, slots=True)
class PartOf:
    """What a run has besides, that makes one call of a task."""

    begun: Callable[[KeyGrant], Event] | None
    """What is on record with its beginning, its sealed fields under this key; None of a replay,
    which is no attempt."""
    inherited: Sequence[Mapping[str, object]]
    """Dataset versions that reached it in the values it is given."""
    project: str
    mount: Mount
    """The call to make."""

    def others(self, own: Sequence[dict[str, object]]) -> Iterator[Mapping[str, object]]:
        """What reached it, not among ``own``; a part that differs makes both the whole."""
        known = {(one["dataset"], one["number"]): one for one in own}
        for one in self.inherited:
            mine = known.get((one["dataset"], one["number"]))
            if mine is None:
                yield one
            elif mine["part"] != one["part"]:
                mine["part"] = ""

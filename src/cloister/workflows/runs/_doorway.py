"""The doorway of one run: where its job finds the tracking server, without being told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from cloister.core.ids import RunId
from cloister.fence import Door
from cloister.workflows.lab import Lab

PORT = 5000
"""Where MLflow's own server listens unless told otherwise, so that scripts which name it work.
Nothing else is there: the job's network is its own, and empty."""
_ADDRESS = f"http://127.0.0.1:{PORT}"
VARIABLES = {
    "MLFLOW_TRACKING_URI": _ADDRESS,
    "MLFLOW_REGISTRY_URI": _ADDRESS,
    # Links that nobody outside could follow, with an id that no replay could print again.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(slots=True)
class Doorway:
    """Open while its block lasts; what was under way at its end is on record after it."""

    lab: Lab
    run: RunId
    _ends: list[Callable[[], None]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._ends:
            end()

    @property
    def door(self) -> Door | None:
        """What the fence is asked for; None where nobody would answer."""
        if self.lab.doorkeeper is None:
            return None
        return Door(PORT, VARIABLES, self._open)

    def _open(self, listener: int) -> None:
        if self.lab.doorkeeper is not None:
            self._ends.append(self.lab.doorkeeper(self.lab, self.run, listener))

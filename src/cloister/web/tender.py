"""Schedules while a service is up: what is due gets a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cloister.core.errors import CloisterError, DurabilityLost
from cloister.web.runners import Nursery
from cloister.workflows.lab import Lab
from cloister.workflows.pipelines.begin import DUE
from cloister.workflows.pipelines.schedule import Looked, due

_LOOKS_S = 2.0
_AGAIN_S = 60.0
"""After which what could not begin is tried again."""


class Tender:
    """Begins pipelines that are due as long as it is not over.

    It remembers nothing that matters: what is due is in the record, and who is at it holds a
    lock that goes with its process. So a service that is killed leaves what runs running, and
    the next one begins nothing a second time.
    """

    def __init__(
        self, lab: Lab, nursery: Nursery, on_failure: Callable[[DurabilityLost], None]
    ) -> None:
        self._lab = lab
        self._nursery = nursery
        self._on_failure = on_failure
        self._tried: dict[str, tuple[tuple[str, ...], float]] = {}
        self._looked: Looked = {}
        self.over = threading.Event()

    def run(self) -> None:
        """Until it is over, or the record broke."""
        while not self.over.wait(_LOOKS_S):
            try:
                self._look()
            except DurabilityLost as failure:
                self._on_failure(failure)
                return
            except CloisterError:  # the keys are locked just now: tried again
                continue

    def _look(self) -> None:
        now_s = self._lab.clock.monotonic_s()
        for pipeline, reasons in due(self._lab, self._looked).items():
            before, at_s = self._tried.get(pipeline, ((), 0.0))
            if before == reasons and now_s - at_s < _AGAIN_S:
                continue
            self._tried[pipeline] = reasons, now_s
            self._nursery.ask(DUE, pipeline.encode(), wait_s=0.0)

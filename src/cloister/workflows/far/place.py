"""Where a job runs: in a fence of this machine, or in one of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cloister.core.values import FenceReport
from cloister.fence import Captured, FenceSpec, Watch

Deliver = Callable[[bytes], None]


class Place(Protocol):
    """Runs one job to its end: ``cloister.fence`` does so here, `There` on another machine."""

    def run(
        self,
        spec: FenceSpec,
        *,
        on_output: Deliver,
        on_error: Deliver | None = None,
        capture: Callable[[Captured], None] | None = None,
        watch: Watch | None = None,
    ) -> FenceReport:
        """See `cloister.fence.run`: when it returns or raises, nothing of the job is left."""

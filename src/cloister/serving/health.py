"""Whether a server may still answer."""

from __future__ import annotations

from collections.abc import Callable

from cloister.core.errors import DurabilityLost


def _nobody() -> None:
    """No server to stop yet."""


class Health:
    """Good until the record breaks, and never again. Lives in one event loop."""

    def __init__(self) -> None:
        self.failure: DurabilityLost | None = None
        """Why nothing is answered any more."""
        self.on_failure: Callable[[], None] = _nobody
        self.on_ending: Callable[[], None] = _nobody
        """Called when the server begins to end: answers that go on and on end with it."""

    @property
    def good(self) -> bool:
        """Whether answers can be recorded."""
        return self.failure is None

    def fail(self, failure: DurabilityLost) -> None:
        """Ends all answers, and asks whoever runs the server to stop."""
        self.failure = failure
        self.on_failure()

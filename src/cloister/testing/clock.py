"""A clock that stands still until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """A `Clock` for tests; both of its times advance together."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed = timedelta()

    def now(self) -> datetime:
        """The moment it was set to."""
        return self._now

    def monotonic_s(self) -> float:
        """Seconds it was advanced by."""
        return self._elapsed.total_seconds()

    def advance(self, by: timedelta) -> None:
        """Moves on; never back."""
        self._now += by
        self._elapsed += by

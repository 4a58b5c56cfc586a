"""Time as an argument: nothing below `app` asks the host what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for the record, monotonic time for durations."""

    def now(self) -> datetime:
        """The present moment, timezone-aware, UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""


class SystemClock:
    """The host's clocks."""

    def now(self) -> datetime:
        """The present moment, timezone-aware, UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that may ask

    def monotonic_s(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and ``Z``: sorts as text."""
    universal = moment.astimezone(UTC).replace(tzinfo=None)
    return universal.isoformat(timespec="microseconds") + "Z"

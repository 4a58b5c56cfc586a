"""Moments of tracking, in milliseconds, as the record writes them (RFC 3339)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cloister.core.clock import timestamp

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999: what clients say may lie beyond it."""


def moment(ms: int | None) -> str | None:
    """The moment as the record writes it; None for none."""
    if ms is None:
        return None
    return timestamp(_BEGINNING + timedelta(milliseconds=max(0, min(ms, _LATEST_MS))))

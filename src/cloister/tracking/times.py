"""Times as RFC 3339 writes them, from and to milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cloister.core.errors import BadInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999
"""Of the year 9999."""


def written(time_ms: int) -> str:
    """To the millisecond, in UTC."""
    moment = _EPOCH + timedelta(milliseconds=min(time_ms, _LAST_MS))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(text: str, what: str) -> int:
    """Milliseconds since 1970; raises BadInput, which names ``what``, for another form."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return (moment - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        pass
    raise BadInput(f"Invalid value for parameter '{what}': not a time as RFC 3339 has it")

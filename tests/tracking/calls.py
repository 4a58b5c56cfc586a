"""Traced calls, as clients tell of them."""

from __future__ import annotations

from typing import Any

from cloister.tracking.spans import Span
from cloister.workflows.tracking.traces import NewTrace

SECOND_NS = 1_000_000_000
_numbers = iter(range(1, 1000))


def new_id() -> str:
    return f"{next(_numbers):032x}"


def span(trace: str, number: int = 1, **more: Any) -> Span:
    body = {
        "traceId": trace,
        "spanId": f"{number:016x}",
        "name": f"call {number}",
        "startTimeUnixNano": str(number * SECOND_NS),
        "endTimeUnixNano": str((number + 1) * SECOND_NS),
    }
    return Span(f"tr-{trace}", body | more)


def child(trace: str, number: int, **more: Any) -> Span:
    return span(trace, number, parentSpanId=f"{1:016x}", **more)


def told(trace: str, home: str, **more: Any) -> NewTrace:
    fields = {"started_ms": 1000, "state": "OK", "duration_ms": 2000} | more
    return NewTrace(f"tr-{trace}", home, **fields)

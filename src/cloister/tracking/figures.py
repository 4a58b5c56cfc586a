"""Figures in a metrics.json: numbers become points, their names joined by ``/``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from cloister.tracking.limits import KEY_CHARS
from cloister.tracking.points import Point

NAME = "metrics.json"
_LARGEST = 4 << 20
_DEEPEST = 16
_MOST = 100_000
_ODD = re.compile(r"[^\w.\- :]+", re.ASCII)


def figures(content: bytes, time_ms: int) -> Iterator[Point]:
    """The numbers of a JSON object, by name; those of a list are steps 0, 1, 2...

    Of a list of objects the member ``step``, else ``epoch``, is the step. What is no number,
    and a file that is no JSON object, gives nothing.
    """
    if len(content) > _LARGEST:
        return
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        for count, point in enumerate(_of(value, "", 0, time_ms, _DEEPEST)):
            if count >= _MOST:
                return
            yield point


def clean_name(name: str) -> str:
    """``name`` as a metric may be called: each part of a path, no odd characters."""
    parts = [_ODD.sub("_", part).strip() for part in name.split("/")]
    return "/".join(part for part in parts if part not in {"", ".", ".."})[:KEY_CHARS].rstrip(
        "/"
    )


def _of(value: object, name: str, step: int, time_ms: int, deep: int) -> Iterator[Point]:
    if isinstance(value, bool) or deep == 0:
        return
    if isinstance(value, int | float):
        number = _number(value)
        if name and number is not None:
            yield Point(name, number, time_ms, step)
    elif isinstance(value, dict):
        for key, inner in value.items():
            below = clean_name(f"{name}/{key}")
            yield from _of(inner, below, step, time_ms, deep - 1)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            at = _step(inner, place)
            yield from _of(inner, name, at, time_ms, deep - 1)


def _number(value: float) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _step(value: object, place: int) -> int:
    if isinstance(value, dict):
        for name in ("step", "epoch"):
            said = value.get(name)
            if isinstance(said, int) and not isinstance(said, bool) and abs(said) < 1 << 63:
                return said
    return place

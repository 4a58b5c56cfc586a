"""A drawing of how pipelines grow: seconds and memory by number of steps, in decades."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 640, 380, 64, 24, 180, 48
_COLD, _AGAIN = "no-op tasks in a lab, cold", "no-op tasks in a lab, again, nothing changed"
_CASE = re.compile(
    rf"(\d+) (steps planned|no-op tasks, warm processes, no fence, no record|{_COLD}|{_AGAIN})"
)
_SERIES = (
    ("steps planned", "cpu_s", "planned, s of CPU", "#2f6fa8"),
    (
        "no-op tasks, warm processes, no fence, no record",
        "s",
        "run, warm processes, s",
        "#b3572b",
    ),
    (_COLD, "steps_s", "fenced and on record, s", "#7a4fa0"),
    (_AGAIN, "steps_s", "again, nothing changed, s", "#a8862f"),
    ("steps planned", "peak_mb", "planned, memory in MB", "#4b7f52"),
)

_LINE = 15
Points = Sequence[tuple[float, float]]


def render_growth(results: Path) -> str:
    """An SVG of the newest line of each size in ``pipelines.jsonl``."""
    newest: dict[tuple[str, int], Mapping[str, float]] = {}
    for line in map(json.loads, results.read_text().splitlines()):
        if found := _CASE.fullmatch(str(line.get("case"))):
            newest[found[2], int(found[1])] = line
    curves = [
        (
            label,
            colour,
            [
                (n, line[what])
                for (k, n), line in sorted(newest.items())
                if k == kind and what in line
            ],
        )
        for kind, what, label, colour in _SERIES
    ]
    return "\n".join(["".join(_head()), *_axes(), *_curves(curves), "</svg>", ""])


def _head() -> Iterator[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    yield ' font-family="sans-serif" font-size="12" fill="#555" role="img">'
    yield "<title>Seconds and memory by number of steps</title>"
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'


def _x(steps: float) -> float:
    share = (math.log10(steps) - 2) / 3  # 10^2 to 10^5
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(value: float) -> float:
    share = (math.log10(max(value, 1e-3)) + 3) / 6  # 10^-3 to 10^3
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def _axes() -> Iterator[str]:
    right, low = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for decade in range(-3, 4):
        y = _y(10.0**decade)
        yield f'<path d="M{_LEFT} {y}H{right}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{10.0**decade:g}</text>'
    for decade in range(2, 6):
        x = _x(10.0**decade)
        yield f'<path d="M{x} {_TOP}V{low}" stroke="#ddd"/>'
        yield f'<text x="{x}" y="{low + 18}" text-anchor="middle">{10**decade:,}</text>'
    yield f'<text x="{(_LEFT + right) / 2}" y="{low + 38}" text-anchor="middle">steps</text>'


def _curves(curves: Sequence[tuple[str, str, Points]]) -> Iterator[str]:
    shown = [one for one in curves if one[2]]
    for _, colour, points in shown:
        path = " ".join(f"{_x(steps)},{_y(value)}" for steps, value in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for steps, value in points:
            yield f'<circle cx="{_x(steps)}" cy="{_y(value)}" r="3" fill="{colour}"/>'
    free_y = float("inf")  # from below, each label above the one before
    for label, colour, points in sorted(shown, key=lambda one: one[2][-1][1]):
        steps, value = points[-1]
        free_y = min(free_y - _LINE, _y(value) + 4)
        yield f'<text x="{_x(steps) + 10}" y="{free_y}" fill="{colour}">{label}</text>'

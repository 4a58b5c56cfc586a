"""Small charts as SVG: drawn with the colours of the page around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _ROW, _HEIGHT, _BINS = 520, 22, 120, 40
_LONGEST_NAME = 28


def bars(counts: Sequence[tuple[str, int]]) -> str:
    """A horizontal bar for each name, its count beside it."""
    most = max((count for _, count in counts), default=0) or 1
    rows = []
    for place, (name, count) in enumerate(counts):
        y, width = place * _ROW, max(1.0, count / most * 250)
        shown = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "\u2026"
        rows.append(
            f'<text class="name" x="186" y="{y + 15}">{escape(shown)}</text>'
            f'<rect class="bar" x="194" y="{y + 4}" width="{width:.1f}" height="14" rx="2"/>'
            f'<text x="{200 + width:.1f}" y="{y + 15}">{count:,}</text>'
        )
    return _svg(_ROW * len(counts), rows)


def histogram(numbers: Sequence[float], marked: Sequence[bool]) -> str:
    """How values are spread, those that were found in another colour; logarithmic heights."""
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0
    usual, found = [0] * _BINS, [0] * _BINS
    for value, mark in zip(numbers, marked, strict=True):
        place = min(_BINS - 1, int((value - low) / span * _BINS))
        (found if mark else usual)[place] += 1
    top = math.log1p(max(a + b for a, b in zip(usual, found, strict=True)))
    step = _WIDTH / _BINS
    parts = []
    for place, (a, b) in enumerate(zip(usual, found, strict=True)):
        whole = math.log1p(a + b) / top * _HEIGHT
        share = whole * b / (a + b) if a + b else 0.0
        for name, height, base in (("bar", whole - share, share), ("bad", share, 0.0)):
            if height > 0:
                y = _HEIGHT - base - height
                parts.append(
                    f'<rect class="{name}" x="{place * step:.1f}" y="{y:.1f}"'
                    f' width="{step - 1.5:.1f}" height="{max(height, 2):.1f}"/>'
                )
    parts.append(f'<text x="0" y="{_HEIGHT + 16}">{low:g}</text>')
    parts.append(f'<text class="name" x="{_WIDTH}" y="{_HEIGHT + 16}">{high:g}</text>')
    return _svg(_HEIGHT + 22, parts)


def _svg(height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img">'
        + "".join(parts)
        + "</svg>"
    )

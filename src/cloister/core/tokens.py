"""Which pieces of a text may be a hospital's id.

An id without a digit cannot be told from a word, nor a short number from any other: those are
not searched for (docs/how-to/check-your-data.md says so).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LEAST, LEAST_DIGITS, MOST = 4, 6, 64
_PIECE = re.compile(r"[^\W_]+")
_PIECES = 3
_FRACTION = re.compile(r"[0-9]+\.[0-9]+(?:e[+-]?[0-9]+)?")


def candidates(text: str) -> Iterator[str]:
    """Each once, in lower case: words with a digit, alone or with up to two neighbours.

    Neighbours are joined by the one character between them, unless it is white space:
    ``STS_001``, ``12-345/6``.
    """
    seen: set[str] = set()
    for _, _, token in spans(text):
        if token not in seen:
            seen.add(token)
            yield token


def spans(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, token) for every place of a candidate, overlapping ones too."""
    pieces = [(match.start(), match.end()) for match in _PIECE.finditer(text)]
    for first, (start, _) in enumerate(pieces):
        for last in range(first, min(first + _PIECES, len(pieces))):
            if last > first and not _joined(text[pieces[last - 1][1] : pieces[last][0]]):
                break
            token = text[start : pieces[last][1]].casefold()
            if may_be_id(token):
                yield start, pieces[last][1], token


def fractions(text: str) -> list[tuple[int, int]]:
    """Where the text holds plain decimal fractions, whose digits are nobody's id."""
    return [(match.start(), match.end()) for match in _FRACTION.finditer(text)]


def _joined(between: str) -> bool:
    return len(between) == 1 and not between.isspace()


def may_be_id(token: str) -> bool:
    """Whether it is long enough and holds a digit."""
    digits = sum(map(str.isdigit, token))
    if not digits or not LEAST <= len(token) <= MOST:
        return False
    return digits < len(token) or digits >= LEAST_DIGITS

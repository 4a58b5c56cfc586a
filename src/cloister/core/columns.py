"""Which column names of a user's table may be shown, when the one asked for is not there."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES_SHOWN = 20


def showable(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """The names in a table's first record; none when it may itself be a row of data.

    A table without a header would print its first patient, so a first record with a number,
    an empty cell, a name twice or a cell shaped like the one below it (P0001 over P0002)
    is not shown.
    """
    plain = len(set(first)) == len(first) and all(map(_is_name, first))
    repeats = any(
        re.search(r"\d", above) and _shape(above) == _shape(below)
        for above, below in zip(first, second, strict=False)
    )
    return tuple(first[:_NAMES_SHOWN]) if plain and not repeats else ()


def _is_name(text: str) -> bool:
    return bool(re.fullmatch(r"[^\W\d][\w .()/%-]{0,39}", text))


def _shape(text: str) -> str:
    return re.sub(r"\d", "9", re.sub(r"[^\W\d]", "a", text))

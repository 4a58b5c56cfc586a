"""Which column names of a user's table may be shown, when the one asked for is not there."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES_SHOWN = 20


def showable(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """The names in a table's first record; none when it may itself be a row of data.

    A table without a header would print its first patient. So a first record with a number,
    an empty cell, a name twice or a cell shaped like the one below it (P0001 over P0002)
    is not shown; nor is one without a sign that it is a header: all of it in lower case, or
    a number below one of its words.
    """
    plain = len(set(first)) == len(first) and all(map(_is_name, first))
    below = list(zip(first, second, strict=False))
    repeats = any(
        re.search(r"\d", above) and _shape(above) == _shape(under) for above, under in below
    )
    header = all(name.islower() for name in first) or any(
        _is_number(under) for _, under in below
    )
    return tuple(first[:_NAMES_SHOWN]) if plain and header and not repeats else ()


def _is_name(text: str) -> bool:
    return bool(re.fullmatch(r"[^\W\d][\w .()/%-]{0,39}", text))


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[\s+\-.,:/\d]*\d[\s.,:/\d-]*", text))


def _shape(text: str) -> str:
    return re.sub(r"\d", "9", re.sub(r"[^\W\d]", "a", text))

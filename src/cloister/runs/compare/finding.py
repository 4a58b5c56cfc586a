"""What came of comparing two outputs, and how the inside of the fence says it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cloister.core.errors import NotVerified

LONGEST = 200
"""So many characters say where two outputs differ."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of comparing one pair."""

    within: bool
    """Whether all numbers agree and all else is equal."""
    largest: float
    """The largest difference of two numbers that agree."""
    numbers: int
    where: str = field(default="", repr=False)
    """The first place that does not agree; empty if all do."""


def encode(findings: Sequence[Finding]) -> bytes:
    """What the inside of the fence says."""
    return json.dumps([asdict(one) for one in findings], allow_nan=False).encode()


def decode(said: bytes, count: int) -> list[Finding]:
    """What the fence said of ``count`` pairs; raises NotVerified for anything else."""
    try:
        return [_finding(one) for one in _expected(json.loads(said), count)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotVerified("the comparison of outputs in the fence gave no answer") from error


def _expected(value: Any, count: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(count)
    return value


def _finding(value: Any) -> Finding:
    where = str(value["where"])[:LONGEST]
    return Finding(
        value["within"] is True, float(value["largest"]), int(value["numbers"]), where
    )

"""The one question asked of every pair of numbers, and how far apart they were at most."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

Numbers = Sequence[float]


class Mismatch(Exception):
    """Two outputs differ by more than numbers within the tolerance."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class Tally:
    """a and b agree when |a - b| <= tolerance * max(1, |a|, |b|); NaN agrees with NaN."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self.numbers = 0
        self.largest = 0.0
        """The largest |a - b| among those that agree."""

    def all(self, where: str, a: Numbers, b: Numbers) -> None:
        """Every pair in order; raises Mismatch, naming the first that does not agree."""
        if len(a) != len(b):
            raise Mismatch(f"{where}: {len(a)} numbers against {len(b)}")
        self.numbers += len(a)
        apart = list(map(abs, map(operator.sub, a, b)))
        total = sum(apart)
        if math.isfinite(total):
            most = max(apart, default=0.0)
            if most <= self.tolerance:  # and so within it for every scale
                self.largest = max(self.largest, most)
                return
        for place, (one, other) in enumerate(zip(a, b, strict=True)):
            self._pair(f"{where}[{place}]", one, other)

    def one(self, where: str, a: float, b: float) -> None:
        """A single pair."""
        self.numbers += 1
        self._pair(where, a, b)

    def same(self, where: str, a: object, b: object) -> None:
        """For what is no number: nothing but equality will do."""
        if a != b:
            raise Mismatch(where)

    def _pair(self, where: str, a: float, b: float) -> None:
        if a == b or (math.isnan(a) and math.isnan(b)):
            return
        apart = abs(a - b)
        if not apart <= self.tolerance * max(1.0, abs(a), abs(b)) or math.isinf(apart):
            raise Mismatch(where)
        self.largest = max(self.largest, apart)

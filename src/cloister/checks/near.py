"""Pairs of 64-bit perceptual hashes that differ in few bits, among a hundred thousand.

Four bands of 16 bits: hashes that differ in at most 7 bits differ in at most one bit of some
band (pigeonhole), so looking up each band and its 16 one-bit neighbours misses none
(multi-index hashing: Norouzi, Punjani, Fleet, CVPR 2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes: TypeAlias = "NDArray[np.uint64]"
    Places: TypeAlias = "NDArray[np.intp]"

FURTHEST = 7
_BANDS = 4
_ALL_PAIRS = 32
_TOGETHER = 1 << 22  # candidates in memory at a time


def near_pairs(hashes: Hashes, furthest: int = 6) -> Iterator[tuple[int, int]]:
    """Every pair of places whose hashes differ in at most ``furthest`` bits, once.

    Of more than 32 equal hashes the others are paired with the first alone: a chain, for
    all pairs of ten thousand empty images help nobody. Raises ValueError beyond 7 bits, where
    the search would miss some.
    """
    import numpy as np

    if furthest > FURTHEST:
        raise ValueError(f"at most {FURTHEST} bits")
    distinct, inverse = np.unique(hashes, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    ends = np.searchsorted(inverse[order], np.arange(len(distinct)), side="right")
    members = [group.tolist() for group in np.split(order, ends[:-1])]
    for group in members:
        yield from combinations(group[:_ALL_PAIRS], 2)
        yield from ((group[0], place) for place in group[_ALL_PAIRS:])
    seen: set[int] = set()
    for left, right in _candidates(distinct):
        near = np.bitwise_count(distinct[left] ^ distinct[right]) <= furthest
        for a, b in zip(left[near].tolist(), right[near].tolist(), strict=True):
            if (pair := a * len(distinct) + b) not in seen:
                seen.add(pair)
                yield from product(members[a][:_ALL_PAIRS], members[b][:_ALL_PAIRS])


def _candidates(distinct: Hashes) -> Iterator[tuple[Places, Places]]:
    """Pairs that agree in one band but for one bit."""
    import numpy as np

    masks = np.array([0, *(1 << bit for bit in range(16))], dtype=np.uint64)
    for band in range(_BANDS):
        keys = (distinct >> np.uint64(16 * band)) & np.uint64(0xFFFF)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange((1 << 16) + 1))
        for mask in masks:
            target = (keys ^ mask).astype(np.intp)
            low, counts = starts[target], starts[target + 1] - starts[target]
            yield from _expanded(order, low, counts)


def _expanded(order: Places, low: Places, counts: Places) -> Iterator[tuple[Places, Places]]:
    """Each place with each member of the stretch of ``order`` it points at, half of them."""
    import numpy as np

    ends = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _TOGETHER, side="right")))
        part = counts[begin:end]
        left = np.repeat(np.arange(begin, end), part)
        offset = np.arange(len(left)) - np.repeat(np.cumsum(part) - part, part)
        right = order[np.repeat(low[begin:end], part) + offset]
        half = left < right
        yield left[half], right[half]
        begin = end


class Groups:
    """Things joined pair by pair (union-find)."""

    def __init__(self, size: int) -> None:
        self._above = list(range(size))

    def find(self, one: int) -> int:
        """Which stands for the group of ``one``."""
        while self._above[one] != one:
            self._above[one] = self._above[self._above[one]]
            one = self._above[one]
        return one

    def join(self, one: int, other: int) -> None:
        """They belong together."""
        a, b = self.find(one), self.find(other)
        self._above[max(a, b)] = min(a, b)

    def groups(self) -> list[list[int]]:
        """Those of two and more."""
        found: dict[int, list[int]] = {}
        for one in range(len(self._above)):
            found.setdefault(self.find(one), []).append(one)
        return [group for group in found.values() if len(group) > 1]

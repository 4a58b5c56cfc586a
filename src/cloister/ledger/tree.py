"""Which nodes the log stores, and which of them a root or a proof is made of.

A *node* here is the root of a complete subtree of 2**level entries, level 1 and up. They
are stored in the order in which they become complete, so that a log only ever appends:

::

    entries   0     1     2     3     4     5     6     7
    level 1     n0          n1          n3          n4
    level 2           n2                      n5
    level 3                       n6
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cloister.ledger.proofs import folded, node_hash


def nodes_of(size: int) -> int:
    """How many nodes are complete once a log has ``size`` entries."""
    return size - size.bit_count()


@dataclass(frozen=True, slots=True)
class Subtree:
    """A complete subtree: entries ``number * 2**level`` up to the next."""

    level: int
    number: int

    @property
    def position(self) -> int:
        """Its place among the stored nodes, or among the entries at level 0."""
        if self.level == 0:
            return self.number
        return nodes_of(((self.number + 1) << self.level) - 1) + self.level - 1

    @property
    def entries(self) -> range:
        """What it covers."""
        return range(self.number << self.level, (self.number + 1) << self.level)


def subtrees(start: int, end: int) -> list[Subtree]:
    """The complete subtrees that together cover entries ``start`` to ``end``, left to right.

    ``start`` is where a subtree at least as large as the range could begin.
    """
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append(Subtree(level, start >> level))
        start += 1 << level
    return found


def covering(position: int, size: int) -> Subtree:
    """The subtree whose node is stored at ``position``, in a log of ``size`` entries."""
    low, high = 1, size  # the entry that completes it
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if nodes_of(middle) <= position else (low, middle)
    level = position - nodes_of(low - 1) + 1
    return Subtree(level, (low >> level) - 1)


def inclusion_path(index: int, size: int) -> list[range]:
    """The ranges whose roots prove entry ``index``, leaf to root (RFC 6962 2.1.1)."""
    path: list[range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range(middle, end))
            end = middle
        else:
            path.append(range(start, middle))
            start = middle
    return path[::-1]


def consistency_path(old: int, new: int) -> list[range]:
    """The ranges whose roots prove that a log of ``old`` is a prefix of ``new`` (2.1.2)."""
    path: list[range] = []
    start, end = 0, new
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range(middle, end))
            end = middle
        else:
            path.append(range(start, middle))
            start = middle
    if start > 0:  # else the old root itself, which the verifier has
        path.append(range(start, end))
    return path[::-1]


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


class Frontier:
    """The complete subtrees along the right edge: all that appending needs to know."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)

    def copy(self) -> Frontier:
        """One that can be extended while this one stays."""
        return Frontier(self.size, self.hashes)

    def extend(self, leaf_hashes: Iterable[bytes]) -> Iterator[bytes]:
        """Takes entries in, giving the nodes they complete in the order of storage."""
        hashes = self.hashes
        for leaf in leaf_hashes:
            self.size += 1
            node = leaf
            for _ in range((self.size & -self.size).bit_length() - 1):
                node = node_hash(hashes.pop(), node)
                yield node
            hashes.append(node)

    def root(self) -> bytes:
        """The root over everything taken in."""
        return folded(self.hashes)

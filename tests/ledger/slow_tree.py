"""RFC 6962 2.1 as it is written, recursive and slow: the oracle for our iterative code."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def tree_hash(entries: Sequence[bytes]) -> bytes:
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = split_of(len(entries))
    left, right = tree_hash(entries[:split]), tree_hash(entries[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def split_of(size: int) -> int:
    split = 1
    while split * 2 < size:
        split *= 2
    return split


def path(index: int, entries: Sequence[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    split = split_of(len(entries))
    if index < split:
        return [*path(index, entries[:split]), tree_hash(entries[split:])]
    return [*path(index - split, entries[split:]), tree_hash(entries[:split])]


def proof(old: int, entries: Sequence[bytes]) -> list[bytes]:
    return subproof(old, entries, whole=True)


def subproof(old: int, entries: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old == len(entries):
        return [] if whole else [tree_hash(entries)]
    split = split_of(len(entries))
    if old <= split:
        return [*subproof(old, entries[:split], whole=whole), tree_hash(entries[split:])]
    return [*subproof(old - split, entries[split:], whole=False), tree_hash(entries[:split])]

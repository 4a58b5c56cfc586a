"""Merkle tree hashes and proofs (RFC 6962 2.1), over bytes alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from cloister.core.errors import NotVerified

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a log without entries."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one entry."""
    return hashlib.sha256(b"\x00" + leaf).digest()  # RFC 6962 2.1: no leaf passes for a node


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Iterable[bytes]) -> bytes:
    """The root over leaf hashes, in constant memory."""
    subtrees: list[bytes] = []  # complete ones, largest first
    size = 0
    for leaf in hashes:
        node, size = leaf, size + 1
        for _ in range((size & -size).bit_length() - 1):
            node = node_hash(subtrees.pop(), node)
        subtrees.append(node)
    return folded(subtrees)


def folded(subtrees: Sequence[bytes]) -> bytes:
    """The root over complete subtrees of falling sizes."""
    if not subtrees:
        return EMPTY_ROOT
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = node_hash(left, root)
    return root


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Returns if the entry hashing to ``leaf`` is number ``index`` of ``size``.

    Raises NotVerified otherwise. RFC 9162 2.1.3.2.
    """
    if not 0 <= index < size:
        raise NotVerified(f"entry {index} cannot be in a log of {size}")
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise NotVerified(f"the inclusion proof of entry {index} is too long")
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or result != root:
        raise NotVerified(f"entry {index} is not in the log of size {size} with this root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Returns if the new log extends the old one (RFC 9162 2.1.4.2); raises NotVerified."""
    if not 0 <= old_size <= new_size:
        raise NotVerified(f"a log of {new_size} entries cannot extend one of {old_size}")
    if old_size in {0, new_size}:
        same = old_root == (new_root if old_size == new_size else EMPTY_ROOT)
        if proof or not same:
            raise NotVerified(f"two different logs of size {old_size}")
        return
    _verify_growth(old_size, old_root, new_size, new_root, list(proof))


def _verify_growth(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: list[bytes]
) -> None:
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)  # a complete tree is a node of the new one
    if not path:
        raise NotVerified("the consistency proof is empty")
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise NotVerified("the consistency proof is too long")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or old != old_root or new != new_root:
        raise NotVerified(f"the log of {new_size} entries does not extend that of {old_size}")

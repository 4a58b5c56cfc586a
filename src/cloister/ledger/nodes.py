"""Stored hashes: as many reads as a proof has parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloister.core.errors import Tampered
from cloister.core.events import Transaction
from cloister.ledger.proofs import folded
from cloister.ledger.tree import Frontier, Subtree, subtrees


def load_hashes(transaction: Transaction, wanted: Iterable[Subtree]) -> dict[Subtree, bytes]:
    """The stored hash of each; raises Tampered when one is missing."""
    wanted = set(wanted)
    leaves = {subtree.position: subtree for subtree in wanted if subtree.level == 0}
    nodes = {subtree.position: subtree for subtree in wanted if subtree.level > 0}
    found = {
        **_load(transaction, "ledger_leaf", leaves),
        **_load(transaction, "ledger_node", nodes),
    }
    if missing := wanted - found.keys():
        lost = min(missing, key=lambda subtree: subtree.entries.start)
        raise Tampered(
            f"the ledger lacks the hash over entries {lost.entries.start} "
            f"to {lost.entries.stop - 1}",
            hint="run: cloister audit",
        )
    return found


def load_roots(transaction: Transaction, ranges: Sequence[range]) -> list[bytes]:
    """The root over each range of entries."""
    parts = [subtrees(entries.start, entries.stop) for entries in ranges]
    hashes = load_hashes(transaction, (subtree for part in parts for subtree in part))
    return [folded([hashes[subtree] for subtree in part]) for part in parts]


def load_frontier(transaction: Transaction, size: int, root: bytes) -> Frontier:
    """The right edge of a log of ``size``; raises Tampered unless it hashes to ``root``."""
    edge = subtrees(0, size)
    hashes = load_hashes(transaction, edge)
    frontier = Frontier(size, [hashes[subtree] for subtree in edge])
    if frontier.root() != root:
        raise Tampered(
            f"the ledger's tree of {size} entries does not have the root of its head",
            hint="run: cloister audit",
        )
    return frontier


def _load(
    transaction: Transaction, table: str, wanted: dict[int, Subtree]
) -> dict[Subtree, bytes]:
    if not wanted:
        return {}
    marks = ", ".join("?" * len(wanted))
    rows = transaction.query(
        f"SELECT position, hash FROM {table} WHERE position IN ({marks})",  # noqa: S608 - ours
        list(wanted),
    )
    return {wanted[position]: digest for position, digest in rows if isinstance(digest, bytes)}

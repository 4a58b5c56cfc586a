"""A log put back into an empty database: its entries, its tree, its signed head, its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from cloister.core.errors import Conflict, NotVerified
from cloister.core.events import Projection, Recorded, Transaction
from cloister.ledger.checkpoint import Head
from cloister.ledger.entry import event_of
from cloister.ledger.projecting import project
from cloister.ledger.proofs import leaf_hash
from cloister.ledger.tree import Frontier, nodes_of

_TOGETHER = 4096


def refill(
    transaction: Transaction,
    leaves: Iterable[bytes],
    head: Head,
    projections: Mapping[str, Projection],
) -> None:
    """Writes the log that ``head`` signs, and replays it into its tables.

    ``head`` was opened by whoever calls (`open_head`): nothing is signed here. Raises
    NotVerified unless the leaves are exactly those it signs, Conflict for a database that
    has a log, BadInput or Tampered for an entry that cannot be replayed.
    """
    if transaction.query("SELECT 1 FROM ledger_leaf LIMIT 1"):
        raise Conflict("the database to fill has a ledger already")
    frontier = Frontier()
    for chunk in _chunks(leaves):
        _write(transaction, frontier, chunk, projections)
    if frontier.size != head.size or (head.size and frontier.root() != head.root):
        raise NotVerified(
            f"the entries are not those the ledger's head signs: it signs {head.size},"
            f" {frontier.size} are there, or one of them is another"
        )
    if head.size:
        transaction.execute(
            "INSERT INTO ledger_head (id, size, root, note) VALUES (1, ?, ?, ?)",
            (head.size, head.root, head.note),
        )


def _write(
    transaction: Transaction,
    frontier: Frontier,
    leaves: Sequence[bytes],
    projections: Mapping[str, Projection],
) -> None:
    first = frontier.size
    hashes = [leaf_hash(leaf) for leaf in leaves]
    transaction.execute_many(
        "INSERT INTO ledger_leaf (position, hash, leaf) VALUES (?, ?, ?)",
        [(first + n, hashes[n], leaf) for n, leaf in enumerate(leaves)],
    )
    nodes = list(frontier.extend(hashes))
    transaction.execute_many(
        "INSERT INTO ledger_node (position, hash) VALUES (?, ?)",
        enumerate(nodes, start=nodes_of(first)),
    )
    recorded = [Recorded(first + n, event_of(leaf)) for n, leaf in enumerate(leaves)]
    project(transaction, recorded, projections)


def _chunks(leaves: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    rest = iter(leaves)
    while chunk := list(islice(rest, _TOGETHER)):
        yield chunk

"""The writing side: events become leaves and rows, a commit becomes one signed head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloister.core.errors import LedgerRolledBack, Tampered
from cloister.core.events import Event, Projection, Recorded, Transaction
from cloister.core.signing import Signer, Verifier
from cloister.db import savepoint
from cloister.ledger.checkpoint import sign_head
from cloister.ledger.nodes import load_frontier
from cloister.ledger.projecting import project
from cloister.ledger.proofs import EMPTY_ROOT, leaf_hash
from cloister.ledger.reader import LedgerReader
from cloister.ledger.tree import Frontier, nodes_of

_EDGE = """
    SELECT (SELECT COALESCE(MAX(position) + 1, 0) FROM ledger_leaf),
           COALESCE((SELECT size FROM ledger_head), 0),
           (SELECT root FROM ledger_head)
"""
_ADD_LEAF = "INSERT INTO ledger_leaf (position, hash, leaf) VALUES (?, ?, ?)"
_ADD_NODE = "INSERT INTO ledger_node (position, hash) VALUES (?, ?)"
_SET_HEAD = """
    INSERT INTO ledger_head (id, size, root, note) VALUES (1, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE
    SET size = excluded.size, root = excluded.root, note = excluded.note
"""


class Ledger:
    """`EventSink` of one log. ``seal`` is its database's ``before_commit``.

    ``append`` adds leaves and projects them, all or none, inside the caller's transaction;
    ``seal`` then extends the tree by everything the transaction added and signs one head.
    State lives in the database alone: several processes may write the same log, and an
    operation rolled back to its savepoint leaves no trace here. Both are called by one
    thread at a time, between BEGIN and COMMIT of a transaction that holds the write lock.
    """

    def __init__(
        self,
        origin: str,
        signer: Signer,
        projections: Mapping[str, Projection],
        verify: Verifier,
    ) -> None:
        """``origin`` names the log; it is the name of the signer's key."""
        self._origin = origin
        self._signer = signer
        self._projections = projections
        self._verify = verify
        self._written: dict[int, bytes] = {}  # position -> hash, since the last seal
        self._known = Frontier()  # fixed by its root: stays true whatever becomes of a commit
        self._known_root = EMPTY_ROOT

    def append(self, transaction: Transaction, events: Sequence[Event]) -> list[Recorded]:
        """The events at their places; raises, having changed nothing, if one cannot be written.

        Raises BadInput for a body that is not canonical or a type without a projection,
        LedgerRolledBack when the log lacks entries that its head has signed.
        """
        first = self._next_position(transaction)
        recorded = [Recorded(first + number, event) for number, event in enumerate(events)]
        rows = [_leaf_row(item) for item in recorded]
        with savepoint(transaction):  # whoever swallows an error must not commit half of them
            transaction.execute_many(_ADD_LEAF, rows)
            project(transaction, recorded, self._projections)
        self._written.update((position, digest) for position, digest, _ in rows)
        return recorded

    def seal(self, transaction: Transaction) -> None:
        """Extends the tree by what this transaction appended, and signs its head, once.

        Raises Tampered if the database holds entries beyond its head that this ledger did
        not write: signing them would make them history.
        """
        end, size, root = transaction.query(_EDGE)[0]
        if end == size:
            return
        frontier = self._frontier(transaction, size, root).copy()
        added = self._added(transaction, size)
        nodes = list(frontier.extend(added))
        transaction.execute_many(_ADD_NODE, enumerate(nodes, start=nodes_of(size)))
        head = sign_head(self._origin, end, frontier.root(), self._signer)
        transaction.execute(_SET_HEAD, (head.size, head.root, head.note))
        self._known, self._known_root = frontier, head.root
        self._written.clear()

    def _next_position(self, transaction: Transaction) -> int:
        end, size, _ = transaction.query(_EDGE)[0]
        if end < size:
            raise LedgerRolledBack(
                f"the ledger lacks its last entries: signed {size}, found {end}",
                hint="run: cloister audit",
            )
        if end == size:
            self._written.clear()  # left behind by a transaction that was rolled back
        return int(end)

    def _added(self, transaction: Transaction, size: int) -> list[bytes]:
        rows = transaction.query(
            "SELECT position, hash FROM ledger_leaf WHERE position >= ? ORDER BY position",
            (size,),
        )
        for expected, (position, digest) in enumerate(rows, start=size):
            if position != expected or self._written.get(position) != digest:
                raise Tampered(
                    f"entry {expected} of the ledger was not written by this program",
                    hint="run: cloister audit",
                )
        return [digest for _, digest in rows]

    def _frontier(self, transaction: Transaction, size: int, root: bytes) -> Frontier:
        """The tree to extend: ours, unless others wrote; theirs only with a true signature."""
        if size == 0:
            return Frontier()
        if (self._known.size, self._known_root) != (size, root):
            head = LedgerReader(self._signer.public_key, self._verify).head(transaction)
            self._known = load_frontier(transaction, head.size, head.root)
            self._known_root = head.root
        return self._known


def _leaf_row(item: Recorded) -> tuple[int, bytes, bytes]:
    leaf = item.event.leaf()
    return item.index, leaf_hash(leaf), leaf

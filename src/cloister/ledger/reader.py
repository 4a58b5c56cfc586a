"""The reading side: verified heads, entries, and proofs from stored nodes."""

from __future__ import annotations

from collections.abc import Iterator

from cloister.core.errors import BadInput, NotFound, NotVerified, Tampered
from cloister.core.events import Recorded, Transaction
from cloister.core.signing import PublicKey, Verifier
from cloister.ledger.checkpoint import Head, open_head
from cloister.ledger.entry import event_of
from cloister.ledger.nodes import load_roots
from cloister.ledger.tree import consistency_path, inclusion_path


class LedgerReader:
    """Reads one log by the key that must have signed it; without state, for any thread."""

    def __init__(self, log_key: PublicKey, verify: Verifier) -> None:
        self._log_key = log_key
        self._verify = verify

    @property
    def origin(self) -> str:
        """Which log this reads: the name of its key."""
        return self._log_key.name

    @property
    def key(self) -> PublicKey:
        """What checks its heads."""
        return self._log_key

    def head(self, transaction: Transaction) -> Head:
        """The signed head; raises NotVerified unless the trusted key signed it."""
        rows = transaction.query("SELECT size, root, note FROM ledger_head")
        if not rows:
            if transaction.query("SELECT 1 FROM ledger_leaf LIMIT 1"):
                raise NotVerified("the ledger holds entries and no signed head")
            return Head.empty(self.origin)
        size, root, note = rows[0]
        head = self.open(str(note))
        if (head.size, head.root) != (size, root):
            raise NotVerified(
                f"the ledger's head row differs from its note: signed {head.size}, found {size}"
            )
        return head

    def open(self, note: str) -> Head:
        """The head in a note from elsewhere; raises NotVerified unless this log signed it."""
        return open_head(note, self._log_key, self._verify)

    def leaf(self, transaction: Transaction, index: int) -> bytes:
        """The bytes of one entry; raises NotFound."""
        rows = transaction.query("SELECT leaf FROM ledger_leaf WHERE position = ?", (index,))
        if not rows:
            raise NotFound(f"the ledger has no entry {index}")
        leaf = rows[0][0]
        if not isinstance(leaf, bytes):  # SQLite stores any type in any column
            raise Tampered(f"entry {index} of the ledger is not bytes")
        return leaf

    def event(self, transaction: Transaction, index: int) -> Recorded:
        """One event; raises NotFound, or Tampered if the entry cannot be read."""
        return Recorded(index, event_of(self.leaf(transaction, index)))

    def events(self, transaction: Transaction, first: int = 0) -> Iterator[Recorded]:
        """Every event from ``first`` on, streamed."""
        rows = transaction.iterate(
            "SELECT position, leaf FROM ledger_leaf WHERE position >= ? ORDER BY position",
            (first,),
        )
        for position, leaf in rows:
            yield Recorded(position, event_of(leaf))

    def leaves(self, transaction: Transaction, first: int, end: int) -> Iterator[bytes]:
        """The bytes of the entries ``first`` to ``end``, streamed; raises Tampered."""
        rows = transaction.iterate(
            "SELECT position, leaf FROM ledger_leaf WHERE position >= ? AND position < ?"
            " ORDER BY position",
            (first, end),
        )
        expected = first
        for position, leaf in rows:
            if position != expected or not isinstance(leaf, bytes):
                raise Tampered(
                    f"entry {expected} of the ledger is missing", hint="run: cloister audit"
                )
            expected += 1
            yield leaf
        if expected < end:
            raise Tampered(
                f"entry {expected} of the ledger is missing", hint="run: cloister audit"
            )

    def inclusion(self, transaction: Transaction, index: int, size: int) -> list[bytes]:
        """The proof that entry ``index`` is in the log of ``size`` (RFC 6962 2.1.1)."""
        if not 0 <= index < size:
            raise BadInput(f"entry {index} cannot be in a log of {size}")
        return load_roots(transaction, inclusion_path(index, size))

    def consistency(self, transaction: Transaction, old: int, new: int) -> list[bytes]:
        """The proof that the log of ``old`` is a prefix of that of ``new`` (RFC 6962 2.1.2)."""
        if not 0 <= old <= new:
            raise BadInput(f"a log of {new} entries cannot extend one of {old}")
        if old in {0, new}:
            return []
        return load_roots(transaction, consistency_path(old, new))

"""The log against its own hashes and its signed head."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cloister.core.errors import IntegrityError
from cloister.core.events import Row, Transaction
from cloister.ledger.checkpoint import Head
from cloister.ledger.findings import Finding, FindingKind, Findings
from cloister.ledger.reader import LedgerReader
from cloister.ledger.tree import Frontier, covering, nodes_of

_CHUNK = 4096
_sha256 = hashlib.sha256

Entry = tuple[int, bytes]
"""Position and leaf."""


def _hash(leaf: object) -> bytes:
    # Written out: this runs for every entry. SQLite stores any type in any column.
    return _sha256(b"\x00" + leaf).digest() if isinstance(leaf, bytes) else b""


class LogAudit:
    """One pass over all entries: hashes, tree, head. Yields the entries on its way."""

    def __init__(self, transaction: Transaction, findings: Findings) -> None:
        self._transaction = transaction
        self._findings = findings
        self._frontier = Frontier()
        self._tree_sound = True

    def signed_head(self, reader: LedgerReader) -> Head | None:
        """The head, or None if there is no true one."""
        try:
            return reader.head(self._transaction)
        except IntegrityError as error:
            self._findings.add(Finding(FindingKind.HEAD, error.message))
            return None

    def entries(self) -> Iterator[list[Entry]]:
        """All entries in chunks, checked against their hashes and nodes."""
        start = 0
        while rows := self._chunk(start):
            hashes = self._entry_hashes(start, rows)
            self._check_nodes(start, hashes)
            yield [(position, leaf) for position, _, leaf in rows]
            start += len(rows)
        self._check_gap(start)

    def check_end(self, head: Head | None) -> None:
        """Whether the head signs exactly the entries that were passed."""
        size = self._frontier.size
        if head is not None and size < head.size:
            self._entry(size, f"entry {size} is missing: the head signs {head.size}")
            return
        if head is not None and size > head.size:
            self._entry(head.size, f"entry {head.size} is beyond the {head.size} signed ones")
        elif head is not None and self._frontier.root() != head.root:
            message = "the entries do not have the root that the head signs"
            self._findings.add(Finding(FindingKind.HEAD, message))
        self._check_excess(size)

    def _chunk(self, start: int) -> list[Row]:
        """The next rows, up to the first gap."""
        rows = self._transaction.query(
            "SELECT position, hash, leaf FROM ledger_leaf "
            "WHERE position >= ? AND position < ? ORDER BY position",
            (start, start + _CHUNK),
        )
        whole = len(rows)
        while whole and rows[whole - 1][0] != start + whole - 1:
            whole -= 1
        return rows[:whole]

    def _entry_hashes(self, start: int, rows: list[Row]) -> list[bytes]:
        """The hashes the tree goes on with: those stored, once every other is reported."""
        stored = [row[1] for row in rows]
        computed = [_hash(row[2]) for row in rows]
        for offset, (there, right) in enumerate(zip(stored, computed, strict=True)):
            if there != right:
                index = start + offset
                self._entry(index, f"entry {index} is altered: it lost its hash")
                if not isinstance(there, bytes):
                    stored[offset] = right
        return stored

    def _check_nodes(self, start: int, hashes: list[bytes]) -> None:
        first, end = nodes_of(start), nodes_of(start + len(hashes))
        computed = list(self._frontier.extend(hashes))
        stored: dict[int, bytes] = dict(
            self._transaction.query(
                "SELECT position, hash FROM ledger_node WHERE position >= ? AND position < ?",
                (first, end),
            )
        )
        if not self._tree_sound:
            return  # the damage named first shows again in every node above it
        for position, right in enumerate(computed, start=first):
            if stored.get(position) != right:
                self._tree_sound = False
                self._report_node(position, start + len(hashes))
                return

    def _report_node(self, position: int, size: int) -> None:
        entries = covering(position, size).entries
        message = (
            f"the entries {entries.start} to {entries.stop - 1} do not have the hash stored "
            "over them: one of them, or that hash, was altered, swapped or replaced"
        )
        self._findings.add(Finding(FindingKind.NODE, message, event=entries.start))

    def _check_gap(self, end: int) -> None:
        """Entries after the first that is missing."""
        beyond = self._transaction.query(
            "SELECT MIN(position) FROM ledger_leaf WHERE position >= ? OR position < 0", (end,)
        )[0][0]
        if beyond is not None:
            self._entry(end, f"entry {end} is missing: the next one there is {beyond}")

    def _check_excess(self, size: int) -> None:
        extra = self._transaction.query(
            "SELECT COUNT(*) FROM ledger_node WHERE position >= ? OR position < 0",
            (nodes_of(size),),
        )[0][0]
        if extra:
            message = f"the tree stores {extra} hashes over entries that are not there"
            self._findings.add(Finding(FindingKind.NODE, message, event=size))

    def _entry(self, index: int, message: str) -> None:
        self._findings.add(Finding(FindingKind.ENTRY, message, event=index))

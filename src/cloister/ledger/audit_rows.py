"""Every projected row against what the events say it should be, both ways."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloister.core.events import Row, SqlValue, Transaction
from cloister.db import TableLayout, definitions, expected_definitions, table_layout
from cloister.ledger.findings import Finding, FindingKind, Findings

_BATCH = 2048
_RANKS: tuple[tuple[type, int], ...] = ((int, 1), (float, 1), (str, 2), (bytes, 3))


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not what the events say."""

    table: str
    key: tuple[SqlValue, ...]
    message: str


def compare_definitions(
    live: Transaction, scratch: Transaction, findings: Findings
) -> set[str]:
    """Tables, indexes, views and triggers: those of the migrations, and no others.

    Gives the names of those that are not; a table among them cannot be compared by rows.
    """
    found, expected = definitions(live), expected_definitions(live, scratch)
    wrong = sorted(
        item for item in found.keys() | expected.keys() if found.get(item) != expected.get(item)
    )
    for item in wrong:
        if item not in found:
            message = f"{item} is missing from the database"
        elif item not in expected:
            message = f"{item} is in the database, and no migration made it"
        else:
            message = f"{item} is not as its migration made it"
        findings.add(Finding(FindingKind.TABLE, message, table=_name(item)))
    return {_name(item) for item in wrong}


def _name(item: str) -> str:
    return item.partition(" ")[2]


class RowAudit:
    """Compares tables row by row, in the order of their keys, in constant memory."""

    def __init__(self, live: Transaction, scratch: Transaction) -> None:
        self._live = live
        self._scratch = scratch
        self.rows = 0
        """Compared so far."""

    def differences(self, table: str) -> Iterator[Difference | None]:
        """Each difference in ``table``; None every so often, to show progress."""
        layout = table_layout(self._scratch, table)
        expected = _Batches(self._scratch, layout)
        found = _Batches(self._live, layout)
        while expected.rows or found.rows:
            if expected.rows == found.rows:  # whole batches at once: the usual case
                self.rows += len(expected.rows)
                expected.next_batch()
                found.next_batch()
                yield None
            else:
                yield from self._step(layout, expected, found)

    def _step(
        self, layout: TableLayout, expected: _Batches, found: _Batches
    ) -> Iterator[Difference]:
        """Compares the first row of each side and drops the lesser one, or both."""
        width = len(layout.key)
        right, there = expected.first(), found.first()
        self.rows += 1
        if right == there:
            expected.drop()
            found.drop()
        elif there is None or (
            right is not None and _order(right[:width]) < _order(there[:width])
        ):
            assert right is not None
            expected.drop()
            yield Difference(layout.name, right[:width], "the row is missing")
        elif right is None or _order(there[:width]) < _order(right[:width]):
            found.drop()
            yield Difference(layout.name, there[:width], "the row is there without an event")
        else:
            expected.drop()
            found.drop()
            yield Difference(layout.name, right[:width], _columns(layout, right, there))


class _Batches:
    """The rows of one table on one side, a batch at a time."""

    def __init__(self, transaction: Transaction, layout: TableLayout) -> None:
        self._source = transaction.iterate(layout.select())
        self.rows: list[Row] = []
        self.next_batch()

    def next_batch(self) -> None:
        self.rows = list(itertools.islice(self._source, _BATCH))

    def first(self) -> Row | None:
        return self.rows[0] if self.rows else None

    def drop(self) -> None:
        del self.rows[0]
        if not self.rows:
            self.next_batch()


def _columns(layout: TableLayout, right: Row, there: Row) -> str:
    names = layout.key + layout.rest
    changed = [name for name, a, b in zip(names, right, there, strict=True) if a != b]
    return f"the row is altered in {', '.join(changed)}"


def _order(key: Sequence[SqlValue]) -> list[tuple[int, SqlValue]]:
    """SQLite's order of values: NULL, numbers, text, blobs."""
    return [(_rank(value), value if value is not None else 0) for value in key]


def _rank(value: SqlValue) -> int:
    return next((rank for kind, rank in _RANKS if isinstance(value, kind)), 0)

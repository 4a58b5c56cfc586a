"""What tables a database holds, as its catalogue tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.db.outline import outlines


@dataclass(frozen=True, slots=True)
class TableLayout:
    """A table's columns, its primary key first."""

    name: str
    key: tuple[str, ...]
    """All columns, where the table declares no primary key."""
    rest: tuple[str, ...]

    @property
    def _nulls(self) -> str:
        """Only a table without a primary key has them among its keys."""
        return "" if self.rest else " NULLS FIRST"

    def select(self) -> str:
        """The query for all rows, key columns first, in the order of the key."""
        columns = ", ".join(quoted(column) for column in self.key + self.rest)
        order = ", ".join(f"{quoted(column)}{self._nulls}" for column in self.key)
        return f"SELECT {columns} FROM {quoted(self.name)} ORDER BY {order}"  # noqa: S608 - quoted


def quoted(name: str) -> str:
    """``name`` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def table_layout(transaction: Transaction, table: str) -> TableLayout:
    """The layout of ``table``; raises NotFound when there is none of that name."""
    columns = transaction.query(
        "SELECT name, pk FROM pragma_table_info(?) ORDER BY cid", (table,)
    )
    if not columns:
        raise NotFound(f"the database has no table {table}")
    ranked = sorted((rank, name) for name, rank in columns if rank)
    key = tuple(name for _, name in ranked) or tuple(name for name, _ in columns)
    return TableLayout(table, key, tuple(name for name, _ in columns if name not in key))


@runtime_checkable
class Outlined(Protocol):
    """A transaction of an engine that keeps no text of what made its tables."""

    def outlines(self) -> dict[str, str]:
        """Every table, index, view and trigger, described in the words of `outline`."""


def definitions(transaction: Transaction) -> dict[str, str]:
    """Every table, index, view and trigger, with the text that made it or its outline."""
    if isinstance(transaction, Outlined):
        return transaction.outlines()
    rows = transaction.query(
        "SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    )
    return dict(rows)


def expected_definitions(live: Transaction, scratch: Transaction) -> dict[str, str]:
    """What ``definitions(live)`` is where nothing but migrations made it, as ``scratch``."""
    return outlines(scratch) if isinstance(live, Outlined) else definitions(scratch)

"""What tables a database holds, as SQLite's catalogue tells."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.errors import NotFound
from cloister.core.events import Transaction


@dataclass(frozen=True, slots=True)
class TableLayout:
    """A table's columns, its primary key first."""

    name: str
    key: tuple[str, ...]
    """All columns, where the table declares no primary key."""
    rest: tuple[str, ...]

    def select(self) -> str:
        """The query for all rows, key columns first, in the order of the key."""
        columns = ", ".join(quoted(column) for column in self.key + self.rest)
        order = ", ".join(quoted(column) for column in self.key)
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


def definitions(transaction: Transaction) -> dict[str, str]:
    """Every table, index, view and trigger with the text that made it."""
    rows = transaction.query(
        "SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    )
    return dict(rows)

"""What a table is, in words that every engine's catalogue can be brought to.

Where an engine keeps the text that made a table, that is compared; these words are for one
that keeps none. They tell columns with type and default, keys, unique sets, references, how
many conditions, and the columns of each index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cloister.core.events import Transaction

TYPES = {
    "INTEGER": "bigint",
    "BIGINT": "bigint",
    "INT": "bigint",
    "BLOB": "bytea",
    "REAL": "double precision",
    "TEXT": "text",
}
_CAST = re.compile(r"::[a-z ]+(\[\])?")


@dataclass(slots=True)
class TableOutline:
    """What one table is made of; order does not count but for the columns of a set."""

    columns: list[str] = field(default_factory=list)
    sets: list[str] = field(default_factory=list)
    checks: int = 0

    def column(self, name: str, kind: str, *, required: bool, default: str | None) -> None:
        """One column."""
        marks = f"{' required' if required else ''}{_default(default)}"
        self.columns.append(f"{name} {kind}{marks}")

    def key(self, kind: str, columns: Sequence[str]) -> None:
        """A primary key, a unique set, a reference."""
        self.sets.append(f"{kind} ({', '.join(columns)})")

    def __str__(self) -> str:
        parts = [*sorted(self.columns), *sorted(self.sets), f"{self.checks} conditions"]
        return "; ".join(parts)


def index_outline(table: str, columns: Iterable[str], *, unique: bool, partial: bool) -> str:
    """What one index is made of."""
    marks = f"{'unique ' if unique else ''}{'partial ' if partial else ''}"
    return f"{marks}on {table} ({', '.join(columns)})"


def _default(text: str | None) -> str:
    return "" if text is None else f" default {_CAST.sub('', text).strip('()')}"


def outlines(transaction: Transaction) -> dict[str, str]:
    """The outlines of an SQLite database."""
    items: dict[str, str] = {}
    rows = transaction.query("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    for kind, name, sql in rows:
        if kind == "table":
            items[f"table {name}"] = str(_table(transaction, name, sql))
        elif kind == "index":
            items[f"index {name}"] = _index(transaction, name)
        else:
            items[f"{kind} {name}"] = kind
    return items


def _table(transaction: Transaction, name: str, sql: str) -> TableOutline:
    outline = TableOutline(checks=len(re.findall(r"\bCHECK\s*\(", sql)))
    columns = transaction.query(
        'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)', (name,)
    )
    for column, kind, required, default, rank in columns:
        outline.column(
            column,
            TYPES.get(kind.upper(), kind.lower()),
            required=bool(required or rank),
            default=default,
        )
    if ranked := sorted((rank, column) for column, _, _, _, rank in columns if rank):
        outline.key("key", [column for _, column in ranked])
    uniques = transaction.query(
        "SELECT name FROM pragma_index_list(?) WHERE origin = 'u'", (name,)
    )
    for (unique,) in uniques:
        outline.key("unique", [column for column, _ in _indexed(transaction, unique)])
    references = transaction.query(
        'SELECT "table", "from" FROM pragma_foreign_key_list(?) ORDER BY id, seq', (name,)
    )
    for table, column in references:
        outline.key(f"references {table}", [column])
    return outline


def _index(transaction: Transaction, name: str) -> str:
    [(table, unique, partial)] = transaction.query(
        'SELECT m.tbl_name, l."unique", l.partial FROM sqlite_master m'
        " JOIN pragma_index_list(m.tbl_name) l ON l.name = m.name WHERE m.name = ?",
        (name,),
    )
    columns = [f"{column}{mark}" for column, mark in _indexed(transaction, name)]
    return index_outline(table, columns, unique=bool(unique), partial=bool(partial))


def _indexed(transaction: Transaction, index: str) -> list[tuple[str, str]]:
    rows = transaction.query(
        'SELECT name, "desc" FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno', (index,)
    )
    return [(name or "expression", " desc" if down else "") for name, down in rows]

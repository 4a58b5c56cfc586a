"""The names that runs gave their metrics, parameters and tags: what a table can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cloister.core.events import SqlValue, Transaction
from cloister.tracking.selecting import holding

_TABLES = {
    "metrics": ("track_series", "metric"),
    "params": ("track_param", "name"),
    "tags": ("track_tag", "name"),
}
KINDS = tuple(_TABLES)


class Used(NamedTuple):
    """One name, and how many runs have it."""

    kind: str
    """``metrics``, ``params`` or ``tags``."""
    name: str
    runs: int


def used(
    tx: Transaction, kind: str, experiments: Sequence[int], contains: str, most: int
) -> list[Used]:
    """The names that hold ``contains`` in either case, those that most runs have first."""
    if not experiments:
        return []
    table, column = _TABLES[kind]
    marks = ", ".join("?" * len(experiments))
    values: list[SqlValue] = [*experiments]
    narrowed = ""
    if contains:
        narrowed = f" AND LOWER(n.{column}) LIKE ? ESCAPE '\\'"
        values.append(holding(contains))
    rows = tx.query(
        f"SELECT n.{column}, COUNT(*) AS runs FROM {table} n JOIN track_run r ON r.run = n.run"  # noqa: S608
        f" WHERE r.experiment IN ({marks}) AND r.stage = 'active'{narrowed}"
        f" GROUP BY n.{column} ORDER BY runs DESC, n.{column} LIMIT ?",
        (*values, most),
    )
    return [Used(kind, name, count) for name, count in rows]

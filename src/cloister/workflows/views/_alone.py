"""Runs of the fence that tracked nothing, found by the filters that find tracked runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cloister.core.events import Transaction
from cloister.identity.projects import SHARED
from cloister.tracking.search.grammar import Comparison, Condition, Value, compared, parse
from cloister.tracking.search.runs import about
from cloister.workflows.lab import Lab
from cloister.workflows.views._moments import moment

STATUS = {
    "running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED",
}  # fmt: skip
"""A run's state, in the word that tracking has for it; one that was stopped is KILLED, too."""
_STOPPED = "EXISTS (SELECT 1 FROM job j WHERE j.run = f.run AND j.stopping IS NOT NULL)"
_STATUS_SQL = (
    f"CASE WHEN f.state = 'failed' AND {_STOPPED} THEN 'KILLED' "
    + " ".join(f"WHEN f.state = '{a}' THEN '{b}'" for a, b in STATUS.items())
    + " END"
)
_COLUMNS = {
    "run_id": "f.run",
    "run_name": "f.run",
    "user_id": "(SELECT p.name FROM person p WHERE p.person = f.actor)",
    "status": _STATUS_SQL,
}
_TIMES = {"start_time": "f.started", "end_time": "f.finished"}
_DATA = {
    "name": "i.dataset",
    "digest": "SUBSTR(i.root, 1, 36)",
    "context": "CASE i.part WHEN '' THEN 'all' ELSE i.part END",
}
_ALWAYS: Condition = ("1 = 1", [])
_NEVER: Condition = ("1 = 0", [])
_ALONE = "NOT EXISTS (SELECT 1 FROM track_run t WHERE t.fenced = f.run)"


class Alone(NamedTuple):
    """A run of which the fence alone tells."""

    run: str
    actor: str
    status: str
    started: str
    finished: str | None
    user: str | None


def search(
    lab: Lab, tx: Transaction, filter_string: str, order: tuple[str, bool], most: int
) -> tuple[list[Alone], int]:
    """The first that match, and how many do; ``filter_string`` is one that tracked runs took.

    Ordered by an attribute, and whether ascending; newest first where it is none of theirs.
    """
    where, bound = _where(lab, filter_string)
    total = int(tx.query(f"SELECT COUNT(*) FROM run f WHERE {where}", bound)[0][0])  # noqa: S608
    if not total or most <= 0:
        return [], total
    rows = tx.query(
        f"SELECT f.run, f.actor, {_STATUS_SQL}, f.started, f.finished,"  # noqa: S608
        f" {_COLUMNS['user_id']} FROM run f WHERE {where} ORDER BY {_order(*order)} LIMIT ?",
        (*bound, most),
    )
    return [Alone._make(row) for row in rows], total


def _order(key: str, ascending: bool) -> str:
    column = (_COLUMNS | _TIMES).get(key)
    if column is None:
        return "f.started DESC, f.run"
    direction = "ASC" if ascending else "DESC"
    missing = f"CASE WHEN {column} IS NULL THEN 1 ELSE 0 END"
    return f"{missing}, {column} {direction}, f.started DESC, f.run"


def _where(lab: Lab, filter_string: str) -> tuple[str, tuple[str | int | float, ...]]:
    conditions = [(_ALONE, []), _seen(lab), *map(_condition, parse(filter_string))]
    where = " AND ".join(f"({sql})" for sql, _ in conditions)
    return where, tuple(value for _, bound in conditions for value in bound)


def _seen(lab: Lab) -> Condition:
    within = lab.actor.projects
    if within is None:
        return _ALWAYS
    placed = (
        "COALESCE((SELECT o.project FROM project_object o WHERE o.kind = 'run'"
        " AND o.name = f.run), ?)"
    )
    marks = ", ".join("?" * len(within)) or "NULL"
    return f"{placed} IN ({marks})", [SHARED, *sorted(within)]


def _condition(comparison: Comparison) -> Condition:
    entity, key = about(comparison.name)
    if entity == "dataset":
        sql, bound = compared(_DATA[key], comparison.operator, comparison.value)
        return f"EXISTS (SELECT 1 FROM run_input i WHERE i.run = f.run AND {sql})", bound  # noqa: S608
    if entity != "attribute":  # it has none: not even one that differs
        return _ALWAYS if comparison.operator == "IS NULL" else _NEVER
    if key in _TIMES:
        return compared(_TIMES[key], comparison.operator, _time(comparison.value))
    if key in _COLUMNS:
        return compared(_COLUMNS[key], comparison.operator, comparison.value)
    return _NEVER


def _time(value: Value) -> str | None:
    return moment(int(value)) if isinstance(value, int | float) else None


def names(rows: Sequence[Alone]) -> list[str]:
    """Their ids."""
    return [row.run for row in rows]

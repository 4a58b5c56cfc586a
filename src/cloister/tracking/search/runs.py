"""Filters and orders over tracked runs, as SQL with bound values."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.core.errors import BadInput
from cloister.core.events import Row, SqlValue, Transaction
from cloister.tracking.inputs import CONTEXT
from cloister.tracking.notes import RUN_NAME
from cloister.tracking.runs import COLUMNS, TrackedRun
from cloister.tracking.search.grammar import (
    EQUALITY,
    LIKE,
    LISTS,
    ORDER,
    PRESENCE,
    Comparison,
    Condition,
    Name,
    check_operator,
    compared,
    entity_of,
    parse,
    parse_order,
)

_ENTITIES = {
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
_ATTRIBUTES = {
    "run_id": "r.run",
    "run_name": "",  # the tag that holds it
    "user_id": "r.user_id",
    "status": "r.status",
    "artifact_uri": "r.artifacts",
    "start_time": "r.started_ms",
    "end_time": "r.ended_ms",
}
_ALIASES = {
    **dict.fromkeys(("created", "Created"), "start_time"),
    **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name"),
}
_NUMBERS = frozenset({"start_time", "end_time"})
_TEXT = EQUALITY | LIKE
_DATASET = {"name": "i.name", "digest": "i.digest", "context": "t.value"}
_NOTES = {"param": "track_param", "tag": "track_tag"}


def search(  # noqa: PLR0913, PLR0917 - a query has as many parts
    tx: Transaction,
    experiments: Sequence[int],
    stages: Sequence[str],
    filter_string: str,
    order_by: Sequence[str],
    window: tuple[int, int],
    within: Condition = ("1 = 1", []),
) -> list[TrackedRun]:
    """The runs of these experiments that match, in order; ``window`` is (offset, most),
    ``within`` what of ``track_run r`` the caller sees.

    Raises BadInput for a filter or an order that is none.
    """
    if not experiments or not stages:
        parse_all(filter_string, order_by)
        return []
    where = _matching(experiments, stages, filter_string, within)
    return [TrackedRun._make(row) for row in _select(tx, where, order_by, window)]


def search_counted(
    tx: Transaction,
    experiments: Sequence[int],
    stages: Sequence[str],
    filter_string: str,
    order_by: Sequence[str],
    window: tuple[int, int],
) -> tuple[list[TrackedRun], int]:
    """As ``search``, and how many match in all; looks at each run once, not twice."""
    if not experiments or not stages:
        parse_all(filter_string, order_by)
        return [], 0
    where = _matching(experiments, stages, filter_string, ("1 = 1", []))
    if not filter_string.strip():  # then an index counts, and another finds the first
        found = [TrackedRun._make(row) for row in _select(tx, where, order_by, window)]
        return found, count(tx, experiments, stages, filter_string)
    rows = _select(tx, where, order_by, window, "COUNT(*) OVER () AS matching")
    if not rows:  # none match, or the window lies behind them all
        return [], count(tx, experiments, stages, filter_string) if window[0] else 0
    return [TrackedRun._make(row[:-1]) for row in rows], int(rows[0][-1])


def _select(
    tx: Transaction,
    matching: Condition,
    order_by: Sequence[str],
    window: tuple[int, int],
    more: str = "",
) -> list[Row]:
    where, matched = matching
    joins, order = _order(order_by)
    columns = ", ".join(f"r.{column.strip()}" for column in COLUMNS.split(","))
    columns = f"{columns}, {more}" if more else columns
    values: list[SqlValue] = [value for _, bound in joins for value in bound]
    values += matched
    offset, most = window
    return tx.query(
        f"SELECT {columns} FROM track_run r {' '.join(sql for sql, _ in joins)}"  # noqa: S608
        f" WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
        (*values, most, offset),
    )


def count(
    tx: Transaction,
    experiments: Sequence[int],
    stages: Sequence[str],
    filter_string: str,
    within: Condition = ("1 = 1", []),
) -> int:
    """How many runs ``search`` finds in all; raises BadInput as it does."""
    if not experiments or not stages:
        parse_all(filter_string, ())
        return 0
    where, matched = _matching(experiments, stages, filter_string, within)
    found = tx.query(f"SELECT COUNT(*) FROM track_run r WHERE {where}", tuple(matched))  # noqa: S608
    return int(found[0][0])


def _matching(
    experiments: Sequence[int], stages: Sequence[str], filter_string: str, within: Condition
) -> Condition:
    conditions = [
        _member("r.experiment", experiments),
        _member("r.stage", stages),
        within,
        *map(_condition, parse(filter_string)),
    ]
    where = " AND ".join(f"({sql})" for sql, _ in conditions)
    return where, [value for _, bound in conditions for value in bound]


def about(name: Name) -> tuple[str, str]:
    """What a name is of and its key: ``attribute``, ``metric``, ``param``, ``tag`` or
    ``dataset``; raises BadInput for what no run has."""
    entity = entity_of(name, _ENTITIES)
    return entity, _attribute_of(name) if entity == "attribute" else name.key


def parse_all(filter_string: str, order_by: Sequence[str]) -> None:
    """Raises BadInput for a filter or an order that is none, whatever there is to search."""
    for comparison in parse(filter_string):
        _condition(comparison)
    _order(order_by)


def _member(column: str, values: Sequence[int] | Sequence[str]) -> Condition:
    marks = ", ".join("?" * len(values))
    return f"{column} IN ({marks})", list(values)


def _condition(comparison: Comparison) -> Condition:
    entity = entity_of(comparison.name, _ENTITIES)
    if entity == "attribute":
        return _attribute(comparison)
    if entity == "metric":
        return _metric(comparison)
    if entity == "dataset":
        return _dataset(comparison)
    return _note(comparison, _NOTES[entity], entity)


def _attribute(comparison: Comparison) -> Condition:
    key = _attribute_of(comparison.name)
    operator, value = comparison.operator, comparison.value
    if key in _NUMBERS:
        check_operator(operator, EQUALITY | ORDER, f"numeric attribute '{key}'")
        if not isinstance(value, int | float):
            raise BadInput(f"Expected numeric value type for numeric attribute: {key}")
        return compared(_ATTRIBUTES[key], operator, value)
    check_operator(operator, _TEXT | LISTS, f"attribute '{key}'")
    if isinstance(value, tuple) and key != "run_id":
        raise BadInput("Only the 'run_id' attribute supports comparison with a list")
    _need_text(value, key)
    if key == "run_name":
        return _exists("track_tag", RUN_NAME, compared("n.value", operator, value))
    return compared(_ATTRIBUTES[key], operator, value)


def _metric(comparison: Comparison) -> Condition:
    operator, value = comparison.operator, comparison.value
    check_operator(operator, EQUALITY | ORDER, "metric")
    if not isinstance(value, int | float):
        raise BadInput(f"Expected numeric value type for metric '{comparison.name.key}'")
    # NaN is kept as 0 beside a mark: it equals no number, and differs from every one.
    sql, bound = compared("m.value", operator, float(value))
    sql = f"({sql} OR m.nan = 1)" if operator == "!=" else f"{sql} AND m.nan = 0"
    return (
        "EXISTS (SELECT 1 FROM track_series m WHERE m.run = r.run AND m.metric = ?"  # noqa: S608
        f" AND {sql})",
        [comparison.name.key, *bound],
    )


def _note(comparison: Comparison, table: str, what: str) -> Condition:
    operator, value, key = comparison.operator, comparison.value, comparison.name.key
    check_operator(operator, _TEXT | PRESENCE, what)
    if operator in PRESENCE:
        sql, bound = _exists(table, key, None)
        return (sql, bound) if operator == "IS NOT NULL" else (f"NOT {sql}", bound)
    _need_text(value, key)
    return _exists(table, key, compared("n.value", operator, value))


def _exists(table: str, name: str, condition: Condition | None) -> Condition:
    sql, bound = condition or ("1 = 1", [])
    return (
        f"EXISTS (SELECT 1 FROM {table} n WHERE n.run = r.run AND n.name = ?"  # noqa: S608
        f" AND {sql})",
        [name, *bound],
    )


def _dataset(comparison: Comparison) -> Condition:
    operator, value, key = comparison.operator, comparison.value, comparison.name.key
    if key not in _DATASET:
        raise BadInput("Invalid dataset key. Valid keys are name, digest, context")
    check_operator(operator, _TEXT | LISTS, "dataset")
    _need_text(value, key)
    sql, bound = compared(_DATASET[key], operator, value)
    if key != "context":
        return f"EXISTS (SELECT 1 FROM track_input i WHERE i.run = r.run AND {sql})", bound  # noqa: S608
    return (
        "EXISTS (SELECT 1 FROM track_input_tag t WHERE t.run = r.run AND t.tag = ?"  # noqa: S608
        f" AND {sql})",
        [CONTEXT, *bound],
    )


def _attribute_of(name: Name) -> str:
    key = _ALIASES.get(name.key, name.key)
    if key not in _ATTRIBUTES:
        valid = ", ".join(sorted(_ATTRIBUTES))
        raise BadInput(f"Invalid attribute key specified. Valid keys are {valid}")
    return key


def _need_text(value: object, key: str) -> None:
    if not isinstance(value, str | tuple):
        raise BadInput(f"Expected a quoted string value for '{key}' (e.g. 'my-value')")


def _order(clauses: Sequence[str]) -> tuple[list[Condition], str]:
    """Joins that bring what is ordered by, and the order; what lacks a value comes last."""
    joins: list[Condition] = []
    order: list[str] = []
    seen: set[tuple[str, str]] = set()
    for number, clause in enumerate(clauses):
        name, ascending = parse_order(clause)
        entity = entity_of(name, _ENTITIES)
        key = _attribute_of(name) if entity == "attribute" else name.key
        if (entity, key) in seen:
            raise BadInput("`order_by` contains duplicate fields")
        seen.add((entity, key))
        column, missing, join = _ordered_by(entity, key, f"o{number}")
        joins += join
        order += [missing, f"{column} {'ASC' if ascending else 'DESC'}"]
    if ("attribute", "start_time") not in seen:
        order.append("r.started_ms DESC")
    return joins, ", ".join([*order, "r.run"])


def _ordered_by(entity: str, key: str, alias: str) -> tuple[str, str, list[Condition]]:
    """The column, what sorts rows without a value behind, and the join it takes."""
    if entity == "attribute":
        column = "r.name" if key == "run_name" else _ATTRIBUTES[key]
        return column, f"CASE WHEN {column} IS NULL THEN 1 ELSE 0 END", []
    if entity == "dataset":
        raise BadInput("Invalid order_by entity type 'dataset'")
    table, named = (
        ("track_series", "metric") if entity == "metric" else (_NOTES[entity], "name")
    )
    column = f"{alias}.value"
    join = f"LEFT JOIN {table} {alias} ON {alias}.run = r.run AND {alias}.{named} = ?"
    missing = f"CASE WHEN {column} IS NULL THEN 1 ELSE 0 END"
    if entity == "metric":
        missing = f"CASE WHEN {alias}.nan = 1 THEN 1 WHEN {column} IS NULL THEN 2 ELSE 0 END"
    return column, missing, [(join, [key])]

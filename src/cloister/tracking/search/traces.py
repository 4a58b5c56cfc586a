"""Filters and orders over traces, as SQL with bound values.

What a call was given and gave is sealed, so no database finds a word in it: filters on spans,
on their text and on assessments are refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloister.core.errors import BadInput
from cloister.core.events import SqlValue, Transaction
from cloister.tracking import traces
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
from cloister.tracking.traces import NAME, SAID, SOURCE_RUN, Trace

_ENTITIES = {
    **dict.fromkeys(("attribute", "attributes", "trace"), "attribute"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("request_metadata", "metadata"), "metadata"),
}
_SEALED = frozenset({"span", "feedback", "expectation", "issue"})
_TEXTS = {
    "request_id": "t.trace",
    "trace_id": "t.trace",
    "client_request_id": "t.client",
    "status": "t.state",
    "state": "t.state",
    "run_id": "t.source_run",
}
_NUMBERS = {
    **dict.fromkeys(("timestamp", "timestamp_ms", "request_time"), "t.started_ms"),
    **dict.fromkeys(
        ("execution_time", "execution_time_ms", "execution_duration"), "t.duration_ms"
    ),
    **dict.fromkeys(("end_time", "end_time_ms"), "(t.started_ms + t.duration_ms)"),
}
_ORDERS = _NUMBERS | _TEXTS | {"experiment_id": "t.experiment"}
_KEYS = {"tag": "trace", "metadata": "metadata"}


def search(
    tx: Transaction,
    experiments: Sequence[int],
    filter_string: str,
    order_by: Sequence[str],
    window: tuple[int, int],
    within: Condition,
) -> list[Trace]:
    """The traces of these experiments that match, newest first unless ordered otherwise.

    ``window`` is (offset, most), ``within`` what of ``track_trace t`` the caller sees. Raises
    BadInput for a filter or an order that is none, or that asks for what is sealed.
    """
    conditions = [within, *(_condition(one) for one in parse(filter_string))]
    orders = [*(_order(one) for one in order_by), ("t.started_ms DESC, t.trace", [])]
    if not experiments:
        return []
    marks = ", ".join("?" * len(experiments))
    where = [f"t.experiment IN ({marks})", *(f"({sql})" for sql, _ in conditions)]
    bound: list[SqlValue] = [*experiments]
    bound += [value for _, values in (*conditions, *orders) for value in values]
    offset, most = window
    order = ", ".join(sql for sql, _ in orders) + " LIMIT ? OFFSET ?"
    return traces.select(tx, " AND ".join(where), order, (*bound, most, offset))


def _condition(comparison: Comparison) -> Condition:
    entity, key = _entity(comparison.name)
    operator, value = comparison.operator, comparison.value
    if entity in _KEYS:
        check_operator(operator, EQUALITY | LIKE | PRESENCE | LISTS, entity)
        kept = f"'{_KEYS[entity]}:' || t.trace"
        noted = f"SELECT 1 FROM track_tag n WHERE n.run = {kept} AND n.name = ?"  # noqa: S608
        if operator in PRESENCE:
            negation = "NOT " if operator == "IS NULL" else ""
            return f"{negation}EXISTS ({noted})", [key]
        sql, bound = compared("n.value", operator, _text(value))
        return f"EXISTS ({noted} AND {sql})", [key, *bound]
    if key in _NUMBERS:
        check_operator(operator, EQUALITY | ORDER, "numeric attribute")
        if not isinstance(value, int | float):
            raise BadInput("Expected a number in the filter string")
        return compared(_NUMBERS[key], operator, value)
    check_operator(operator, EQUALITY | LIKE | LISTS, "string attribute")
    if key == "run_id" and operator in {"=", "IN"}:  # a trace can be linked to many
        own, bound = compared("t.source_run", operator, _text(value))
        other, more = compared("l.run", operator, _text(value))
        linked = f"SELECT 1 FROM track_trace_link l WHERE l.trace = t.trace AND {other}"  # noqa: S608
        return f"{own} OR EXISTS ({linked})", [*bound, *more]
    return compared(_column(key, _TEXTS), operator, _text(value))


def _order(text: str) -> Condition:
    name, ascending = parse_order(text)
    entity, key = _entity(name)
    direction = "ASC" if ascending else "DESC"
    bound: list[str | int | float] = []
    if entity in _KEYS:
        kept = f"'{_KEYS[entity]}:' || t.trace"
        column = f"(SELECT n.value FROM track_tag n WHERE n.run = {kept} AND n.name = ?)"  # noqa: S608
        bound = [key]
    else:
        column = _column(key, _ORDERS)
    return f"CASE WHEN {column} IS NULL THEN 1 ELSE 0 END, {column} {direction}", bound * 2


def _entity(name: Name) -> tuple[str, str]:
    """What is meant, and its key: some attributes are kept as tags."""
    sealed = name.entity in _SEALED or (name.key == "text" and name.entity != "tag")
    if sealed or name.key in SAID:
        raise BadInput(
            "What a traced call was given and gave is sealed, and cannot be searched",
            hint="filter by time, status, run, name, tags or metadata, then read what is found",
        )
    entity = entity_of(name, _ENTITIES)
    if entity == "attribute" and name.key == "name":
        return "tag", NAME
    if entity == "metadata" and name.key == SOURCE_RUN:
        return "attribute", "run_id"
    return entity, name.key


def _column(key: str, columns: dict[str, str]) -> str:
    if key not in columns:
        valid = ", ".join(sorted({*columns, "name"}))
        raise BadInput(f"Invalid attribute key specified. Valid keys are {valid}")
    return columns[key]


def _text(value: object) -> str | tuple[str, ...]:
    if not isinstance(value, str | tuple):
        raise BadInput("Expected a quoted string value in the filter string")
    return value

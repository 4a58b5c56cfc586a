"""Filters and orders over experiments, as SQL with bound values."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.core.errors import BadInput
from cloister.core.events import SqlValue, Transaction
from cloister.tracking import limits
from cloister.tracking.experiments import COLUMNS, Experiment
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

_ENTITIES = {"attribute": "attribute", "tag": "tag", "tags": "tag"}
_ATTRIBUTES = {
    "experiment_id": "e.experiment",
    "name": "e.name",
    "creation_time": "e.created_ms",
    "last_update_time": "e.updated_ms",
}
_USUAL_ORDER = ("creation_time DESC", "experiment_id ASC")


def search(
    tx: Transaction,
    stages: Sequence[str],
    filter_string: str,
    order_by: Sequence[str],
    window: tuple[int, int],
    within: Condition = ("1 = 1", []),
) -> list[Experiment]:
    """The experiments that match, in order; ``window`` is (offset, most), ``within`` what of
    ``track_experiment e`` the caller sees.

    Raises BadInput for a filter or an order that is none.
    """
    conditions = [within, *map(_condition, parse(filter_string))]
    order = _order(order_by or _USUAL_ORDER)
    columns = ", ".join(f"e.{column.strip()}" for column in COLUMNS.split(","))
    marks = ", ".join("?" * len(stages))
    where = "".join(f" AND ({sql})" for sql, _ in conditions)
    values: list[SqlValue] = [value for _, bound in conditions for value in bound]
    offset, most = window
    rows = tx.query(
        f"SELECT {columns} FROM track_experiment e WHERE e.stage IN ({marks}){where}"  # noqa: S608
        f" ORDER BY {order} LIMIT ? OFFSET ?",
        (*stages, *values, most, offset),
    )
    return [Experiment._make(row) for row in rows]


def _condition(comparison: Comparison) -> Condition:
    operator, value, key = comparison.operator, comparison.value, comparison.name.key
    if entity_of(comparison.name, _ENTITIES) == "tag":
        return _tag(comparison)
    column = _column(comparison.name)
    if key == "experiment_id":
        check_operator(operator, EQUALITY | LISTS, "experiment_id")
        return _number_of(column, operator, value)
    if key == "name":
        check_operator(operator, EQUALITY | LIKE, "string attribute")
        if not isinstance(value, str):
            raise BadInput("Expected a quoted string value for attributes")
        return compared(column, operator, value)
    check_operator(operator, EQUALITY | ORDER, "numeric attribute")
    if not isinstance(value, int):
        raise BadInput(f"Expected numeric value type for numeric attribute: {key}")
    return compared(column, operator, value)


def _number_of(column: str, operator: str, value: object) -> Condition:
    texts = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(text, str) for text in texts):
        raise BadInput("Expected a quoted string value for attributes")
    numbers = [limits.experiment_number(str(text)) for text in texts]
    if operator in LISTS:
        return f"{column} {operator} ({', '.join('?' * len(numbers))})", [*numbers]
    return f"{column} {operator} ?", [*numbers]


def _tag(comparison: Comparison) -> Condition:
    operator, value = comparison.operator, comparison.value
    check_operator(operator, EQUALITY | LIKE | PRESENCE, "tag")
    bound: list[str | int | float] = [comparison.name.key]
    condition = ""
    if operator not in PRESENCE:
        if not isinstance(value, str):
            raise BadInput("Expected a quoted string value for tag")
        sql, more = compared("t.value", operator, value)
        condition, bound = f" AND {sql}", [*bound, *more]
    negated = "NOT " if operator == "IS NULL" else ""
    return (
        f"{negated}EXISTS (SELECT 1 FROM track_experiment_tag t"  # noqa: S608
        f" WHERE t.experiment = e.experiment AND t.name = ?{condition})",
        bound,
    )


def _column(name: Name) -> str:
    if name.key not in _ATTRIBUTES:
        valid = ", ".join(sorted(_ATTRIBUTES))
        raise BadInput(f"Invalid attribute key specified. Valid keys are {valid}")
    return _ATTRIBUTES[name.key]


def _order(clauses: Sequence[str]) -> str:
    order: list[str] = []
    for clause in clauses:
        name, ascending = parse_order(clause)
        if entity_of(name, _ENTITIES) != "attribute":
            raise BadInput("Invalid order_by entity: expected an attribute")
        order.append(f"{_column(name)} {'ASC' if ascending else 'DESC'}")
    if not any(one.startswith("e.experiment ") for one in order):
        order.append("e.experiment DESC")
    return ", ".join(order)

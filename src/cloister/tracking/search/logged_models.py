"""Filters and orders over logged models, as SQL with bound values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cloister.core.errors import BadInput
from cloister.core.events import SqlValue, Transaction
from cloister.tracking import logged_models
from cloister.tracking.logged_models import LoggedModel
from cloister.tracking.search.grammar import (
    EQUALITY,
    LIKE,
    LISTS,
    ORDER,
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
    "attribute": "attribute",
    "attributes": "attribute",
    "metrics": "metric",
    "params": "param",
    "tags": "tag",
}
_TEXTS = {
    "name": "m.name",
    "model_id": "m.model",
    "model_type": "m.kind",
    "source_run_id": "m.source_run",
    "status": "m.status",
}
_NUMBERS = {
    "creation_time": "m.created_ms",
    "creation_timestamp": "m.created_ms",
    "creation_timestamp_ms": "m.created_ms",
    "last_updated_timestamp": "m.updated_ms",
    "last_updated_timestamp_ms": "m.updated_ms",
}
_TABLES = {"param": "track_param", "tag": "track_tag"}
_STATUSES = {
    "PENDING": logged_models.PENDING,
    "READY": logged_models.READY,
    "FAILED": logged_models.FAILED,
}


class On(NamedTuple):
    """A dataset on which a metric was measured."""

    name: str
    digest: str = ""


class By(NamedTuple):
    """What to order by."""

    field: str
    ascending: bool = True
    on: On | None = None


def search(  # noqa: PLR0913, PLR0917 - as many as the interface has
    tx: Transaction,
    experiments: Sequence[int],
    filter_string: str,
    on: Sequence[On],
    order_by: Sequence[By],
    window: tuple[int, int],
    within: Condition,
) -> list[LoggedModel]:
    """The models that match, in order; ``window`` is (offset, most).

    Metrics count where they were measured ``on`` one of those datasets, if any are named.
    Raises BadInput for a filter or an order that is none.
    """
    if not experiments:
        return []
    marks = ", ".join("?" * len(experiments))
    conditions: list[Condition] = [(f"m.experiment IN ({marks})", [*experiments]), within]
    conditions += [_condition(one, on) for one in parse(filter_string)]
    where = "".join(f" AND ({sql})" for sql, _ in conditions)
    bound: list[SqlValue] = [value for _, values in conditions for value in values]
    orders = [_order(by) for by in order_by or (By("creation_timestamp_ms", False),)]
    orders.append(("m.created_ms DESC, m.model", []))
    bound += [value for _, values in orders for value in values]
    offset, most = window
    order = ", ".join(sql for sql, _ in orders) + " LIMIT ? OFFSET ?"
    return logged_models.select(tx, where, order, (*bound, most, offset))


def _condition(comparison: Comparison, on: Sequence[On]) -> Condition:
    entity = entity_of(comparison.name, _ENTITIES)
    operator, value, key = comparison.operator, comparison.value, comparison.name.key
    if entity == "metric":
        check_operator(operator, EQUALITY | ORDER, "metric")
        sql, bound = compared("k.value", operator, _number(value))
        measured, values = _measured(on)
        return (
            "EXISTS (SELECT 1 FROM track_model_metric k WHERE k.model = m.model"  # noqa: S608
            f" AND k.metric = ? AND k.nan = 0 AND {sql}{measured})",
            [key, *bound, *values],
        )
    if entity in _TABLES:
        check_operator(operator, EQUALITY | LIKE | LISTS, entity)
        sql, bound = compared("n.value", operator, _text(value))
        return (
            f"EXISTS (SELECT 1 FROM {_TABLES[entity]} n WHERE n.run = 'model:' || m.model"  # noqa: S608
            f" AND n.name = ? AND {sql})",
            [key, *bound],
        )
    if key in _NUMBERS:
        check_operator(operator, EQUALITY | ORDER, "numeric attribute")
        return compared(_NUMBERS[key], operator, _number(value))
    check_operator(operator, EQUALITY | LIKE | LISTS, "string attribute")
    wanted = _text(value)
    if key == "status" and isinstance(wanted, str):
        wanted = _STATUSES.get(wanted, wanted)
    return compared(_column(comparison.name), operator, wanted)


def _measured(on: Sequence[On]) -> Condition:
    if not on:
        return "", []
    pairs, bound = [], []
    for name, digest in on:
        pairs.append("k.dataset = ?" + (" AND k.digest = ?" if digest else ""))
        bound += [name, digest] if digest else [name]
    return f" AND ({' OR '.join(pairs)})", [*bound]


def _order(by: By) -> Condition:
    name, ascending = parse_order(by.field)
    direction = "ASC" if ascending and by.ascending else "DESC"
    if entity_of(name, _ENTITIES) == "metric":
        measured, bound = _measured([by.on] if by.on else [])
        value = (
            "(SELECT CASE WHEN k.nan = 1 THEN NULL ELSE k.value END FROM track_model_metric k"  # noqa: S608
            f" WHERE k.model = m.model AND k.metric = ?{measured}"
            " ORDER BY k.time_ms DESC, k.step DESC LIMIT 1)"
        )
        bound = [name.key, *bound]
        return (
            f"CASE WHEN {value} IS NULL THEN 1 ELSE 0 END, {value} {direction}",
            [*bound, *bound],
        )
    if entity_of(name, _ENTITIES) != "attribute":
        raise BadInput("Invalid order_by entity: expected an attribute or a metric")
    return f"{_column(name)} {direction}", []


def _column(name: Name) -> str:
    column = _TEXTS.get(name.key) or _NUMBERS.get(name.key)
    if column is None:
        valid = ", ".join(sorted([*_TEXTS, *_NUMBERS]))
        raise BadInput(f"Invalid attribute key specified. Valid keys are {valid}")
    return column


def _number(value: object) -> int | float:
    if not isinstance(value, int | float):
        raise BadInput("Expected a number in the filter string")
    return value


def _text(value: object) -> str | tuple[str, ...]:
    if not isinstance(value, str | tuple):
        raise BadInput("Expected a quoted string value in the filter string")
    return value

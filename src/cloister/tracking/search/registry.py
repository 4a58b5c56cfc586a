"""Filters and orders over registered models and their versions, as SQL with bound values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.tracking import registry
from cloister.tracking.registry import Registered, Version
from cloister.tracking.search.grammar import (
    EQUALITY,
    LIKE,
    LISTS,
    ORDER,
    Comparison,
    Condition,
    check_operator,
    compared,
    entity_of,
    parse,
    parse_order,
)

_ENTITIES = {
    "attribute": "attribute",
    "attributes": "attribute",
    "tag": "tag",
    "tags": "tag",
}
_MODELS = {"name": "g.name"}
_MODEL_ORDERS = {
    "name": "g.name",
    "timestamp": "g.updated_ms",
    "last_updated_timestamp": "g.updated_ms",
    "creation_timestamp": "g.created_ms",
}
_VERSIONS = {
    "name": "g.name",
    "run_id": "v.run",
    "source_path": "v.source",
    "version_number": "v.version",
}
_VERSION_ORDERS = {
    "name": "g.name",
    "version_number": "v.version",
    "creation_timestamp": "v.created_ms",
    "last_updated_timestamp": "v.updated_ms",
}
_PROMPT = "mlflow.prompt.is_prompt"
"""Prompts are registered models too; they are shown to those who ask for them."""


def models(
    tx: Transaction,
    filter_string: str,
    order_by: Sequence[str],
    window: tuple[int, int],
    within: Condition,
) -> list[Registered]:
    """The registered models that match; ``window`` is (offset, most). Raises BadInput."""
    parsed = parse(filter_string)
    key = "'registered:' || g.number"
    conditions = [within, _prompts(parsed), *(_condition(one, _MODELS, key) for one in parsed)]
    where, bound = _joined(conditions)
    order = _order(order_by or ["name ASC"], _MODEL_ORDERS, "g.number")
    offset, most = window
    return registry.select(tx, where, f"{order} LIMIT ? OFFSET ?", [*bound, most, offset])


def versions(
    tx: Transaction,
    filter_string: str,
    order_by: Sequence[str],
    window: tuple[int, int],
    within: Condition,
) -> list[tuple[Version, str]]:
    """The versions that match, each with its model's name. Raises BadInput."""
    parsed = parse(filter_string)
    key = "'registered:' || v.number || ':' || v.version"
    conditions = [
        within,
        _prompts(parsed),
        *(_condition(one, _VERSIONS, key) for one in parsed),
    ]
    where, bound = _joined(conditions)
    usual = ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]
    order = _order(order_by or usual, _VERSION_ORDERS, "v.number, v.version")
    offset, most = window
    return registry.select_versions(
        tx, where, f"{order} LIMIT ? OFFSET ?", [*bound, most, offset]
    )


def _joined(conditions: Sequence[Condition]) -> Condition:
    where = " AND ".join(f"({sql})" for sql, _ in conditions)
    return where, [value for _, bound in conditions for value in bound]


def _prompts(parsed: Sequence[Comparison]) -> Condition:
    asked = any(
        one.name.key == _PROMPT
        and (one.operator, str(one.value).lower()) in {("=", "true"), ("!=", "false")}
        for one in parsed
    )
    negated = "" if asked else "NOT "
    return (
        f"{negated}EXISTS (SELECT 1 FROM track_tag p WHERE p.run = 'registered:' || g.number"  # noqa: S608
        " AND p.name = ? AND p.value = 'true')",
        [_PROMPT],
    )


def _condition(comparison: Comparison, columns: Mapping[str, str], key: str) -> Condition:
    operator, value = comparison.operator, comparison.value
    if entity_of(comparison.name, _ENTITIES) == "tag":
        if comparison.name.key == _PROMPT:
            return "1 = 1", []  # decided for the model as a whole
        check_operator(operator, EQUALITY | LIKE, "tag")
        if not isinstance(value, str):
            raise BadInput("Expected a quoted string value for tag")
        sql, bound = compared("t.value", operator, value)
        return (
            f"EXISTS (SELECT 1 FROM track_tag t WHERE t.run = {key} AND t.name = ? AND {sql})",  # noqa: S608
            [comparison.name.key, *bound],
        )
    name = comparison.name.key
    if name not in columns:
        raise BadInput(f"Invalid attribute name. Valid names are {', '.join(sorted(columns))}")
    if name == "version_number":
        check_operator(operator, EQUALITY | ORDER, "numeric attribute")
        if not isinstance(value, int):
            raise BadInput("Invalid value for numeric attribute 'version_number'")
        return compared(columns[name], operator, value)
    lists = LISTS if name in {"name", "run_id"} else frozenset()
    check_operator(operator, EQUALITY | LIKE | lists, "attribute")
    if not isinstance(value, str | tuple):
        raise BadInput("Expected a quoted string value for attributes")
    return compared(columns[name], operator, value)


def _order(clauses: Sequence[str], columns: Mapping[str, str], last: str) -> str:
    order: list[str] = []
    for clause in clauses:
        name, ascending = parse_order(clause)
        if entity_of(name, _ENTITIES) != "attribute" or name.key not in columns:
            valid = ", ".join(sorted(columns))
            raise BadInput(f"Invalid order by key specified. Valid keys are {valid}")
        order.append(f"{columns[name.key]} {'ASC' if ascending else 'DESC'}")
    if len({one.split()[0] for one in order}) < len(order):
        raise BadInput("`order_by` contains duplicate fields")
    return ", ".join([*order, last])

"""The table of runs, and the views of it that people saved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from cloister.web.console.calls import (
    LIST_FIELDS,
    Asked,
    Call,
    Field,
    Kind,
    Said,
    listed,
    slice_of,
)
from cloister.workflows.people import saved
from cloister.workflows.views import columns as column_names
from cloister.workflows.views import runs as view
from cloister.workflows.views.runs import MOST_A_PAGE, RunRow, Wanted

_COLUMNS = Field("column", Kind.TEXTS, most=view.MOST_COLUMNS, example=["metrics.loss"])


def table(asked: Asked) -> dict[str, Any]:
    """Runs that match a filter of MLflow's grammar, a page of them."""
    part = slice_of(asked)
    found = view.table(
        asked.lab,
        Wanted(
            filter=part.filter,
            order=part.order,
            columns=asked.texts("column"),
            limit=min(part.limit, MOST_A_PAGE),
            after=part.after or None,
            experiment=asked.text("experiment"),
            deleted=asked.flag("deleted"),
        ),
    )
    return listed(map(_row, found.rows), found.next, found.total)


def _row(row: RunRow) -> dict[str, Any]:
    shown = {one.name: getattr(row, one.name) for one in fields(row)}
    return shown | {"values": drawn(row.values)}


def drawn(values: Mapping[str, str | float]) -> dict[str, str | float]:
    """Values as JSON has them: it knows neither NaN nor infinities (RFC 8259, section 6)."""
    return {name: number(value) for name, value in values.items()}


def number(value: str | float) -> str | float:
    """A number, or the word for one that JSON has not."""
    if isinstance(value, str) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def columns(asked: Asked) -> dict[str, Any]:
    """Names of metrics, parameters and tags that hold a text, the commonest first."""
    most = asked.whole("limit", 30)
    found = column_names.columns(asked.lab, asked.text("kind"), asked.text("filter"), most)
    return {"items": [one._asdict() for one in found]}


def views(asked: Asked) -> dict[str, Any]:
    """The views that whoever asks has saved."""
    return {"items": [{"name": one.name, **one.asked} for one in saved.views(asked.lab)]}


def save(asked: Asked) -> Said:
    """Saves a view under a name, in place of one of that name."""
    saved.save(
        asked.lab,
        asked.text("name"),
        saved.Asked(
            filter=asked.text("filter"),
            order=asked.text("order"),
            columns=asked.texts("columns"),
            experiment=asked.text("experiment"),
        ),
    )
    return Said(status=204)


def remove(asked: Asked) -> Said:
    """Lets a saved view go."""
    saved.remove(asked.lab, asked.text("name"))
    return Said(status=204)


CALLS = (
    Call(
        "GET",
        "/runs",
        table,
        fields=(*LIST_FIELDS, _COLUMNS, Field("experiment"), Field("deleted", Kind.FLAG)),
    ),
    Call(
        "GET",
        "/runs-columns",
        columns,
        fields=(
            Field("kind", most=10, example="metrics"),
            Field("filter", most=250),
            Field("limit", Kind.WHOLE, least=1, most=column_names.MOST),
        ),
    ),
    Call("GET", "/runs-views", views),
    Call(
        "PUT",
        "/runs-views",
        save,
        fields=(
            Field("name", required=True, most=80, example="mine"),
            Field("filter"),
            Field("order", most=300),
            Field("columns", Kind.TEXTS, most=30, example=["metrics.loss"]),
            Field("experiment", most=500),
        ),
    ),
    Call("DELETE", "/runs-views", remove, fields=(Field("name", required=True, most=80),)),
)

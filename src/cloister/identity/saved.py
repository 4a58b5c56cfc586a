"""Views that people saved: how a member likes to see a table, under a name of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from cloister.core.canonical import canonical
from cloister.core.events import Recorded, Statement, Transaction

SCHEMA = (
    "CREATE TABLE saved_view (person TEXT NOT NULL, name TEXT NOT NULL, asked TEXT NOT NULL,"
    " saved INTEGER NOT NULL, PRIMARY KEY (person, name))",
)


class SavedView(NamedTuple):
    """One of them."""

    name: str
    asked: dict[str, Any]
    """What of the table is asked for: filter, order, columns, experiment."""


def view_saved(recorded: Recorded) -> Iterator[Statement]:
    """A member keeps a view, in place of one of that name."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO saved_view VALUES (?, ?, ?, ?) ON CONFLICT (person, name)"
        " DO UPDATE SET asked = excluded.asked, saved = excluded.saved",
        (event.actor, body["name"], canonical(body["asked"]).decode(), recorded.index),
    )


def view_removed(recorded: Recorded) -> Iterator[Statement]:
    """And lets it go."""
    event = recorded.event
    yield Statement(
        "DELETE FROM saved_view WHERE person = ? AND name = ?",
        (event.actor, event.body["name"]),
    )


def of_person(tx: Transaction, person: str) -> list[SavedView]:
    """A member's views, by name."""
    rows = tx.query(
        "SELECT name, asked FROM saved_view WHERE person = ? ORDER BY name", (person,)
    )
    return [SavedView(name, json.loads(asked)) for name, asked in rows]

"""What nobody does alone in the lab, as the record has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from cloister.core.canonical import canonical
from cloister.core.events import Recorded, Statement, Transaction

SCHEMA = (
    "CREATE TABLE ruling (idx INTEGER PRIMARY KEY, actions TEXT NOT NULL,"
    " within_h INTEGER NOT NULL, used TEXT)",
)


class Ruling(NamedTuple):
    """The two-person rule from some entry of the ledger on."""

    place: int
    actions: frozenset[str]
    within_h: int


def approval_ruled(recorded: Recorded) -> Iterator[Statement]:
    """From here on these actions need two persons, and no others."""
    body = recorded.event.body
    actions = canonical(body["actions"]).decode()
    yield Statement(
        "INSERT INTO ruling VALUES (?, ?, ?, ?)",
        (recorded.index, actions, body["within_h"], body["operation"]),
    )


def in_force(tx: Transaction) -> Ruling | None:
    """The rule that holds; None where the record has none yet."""
    rows = tx.query("SELECT idx, actions, within_h FROM ruling ORDER BY idx DESC LIMIT 1")
    if not rows:
        return None
    place, actions, within_h = rows[0]
    return Ruling(place, frozenset(json.loads(actions)), within_h)

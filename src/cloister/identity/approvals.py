"""The two-person rule: what waits for a second person, and what they said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloister.core.canonical import canonical
from cloister.core.errors import NotFound
from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import ApprovalId, PersonId

WAITING, GIVEN, REFUSED, USED = "waiting", "given", "refused", "used"

SCHEMA = (
    "CREATE TABLE approval (approval TEXT PRIMARY KEY, action TEXT NOT NULL,"
    " what TEXT NOT NULL, asker TEXT NOT NULL, asked INTEGER NOT NULL,"
    " expires TEXT NOT NULL, state TEXT NOT NULL, decider TEXT, decided INTEGER,"
    " used_for TEXT)",
)


@dataclass(frozen=True, slots=True)
class Approval:
    """One request and what became of it."""

    approval: ApprovalId
    action: str
    what: Mapping[str, Any]
    """Ids of what it is about, and why: consent holds for exactly this and nothing else."""
    asker: PersonId
    expires: str
    state: str
    decider: PersonId | None


def approval_requested(recorded: Recorded) -> Iterator[Statement]:
    """Somebody wants to, and may not alone."""
    body, event = recorded.event.body, recorded.event
    yield Statement(
        "INSERT INTO approval VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
        (
            body["approval"],
            body["action"],
            spelled(body["what"]),
            event.actor,
            recorded.index,
            body["expires"],
            WAITING,
        ),
    )


def approval_given(recorded: Recorded) -> Iterator[Statement]:
    """A second person agrees."""
    yield _decided(recorded, GIVEN)


def approval_refused(recorded: Recorded) -> Iterator[Statement]:
    """A second person does not."""
    yield _decided(recorded, REFUSED)


def approval_used(recorded: Recorded) -> Iterator[Statement]:
    """What was agreed upon is done, once."""
    body = recorded.event.body
    yield Statement(
        "UPDATE approval SET state = ?, used_for = ? WHERE approval = ?",
        (USED, body["operation"], body["approval"]),
    )


def spelled(what: Mapping[str, Any]) -> str:
    """``what`` in its one spelling."""
    return canonical(what, floats=False).decode()


_ALL = "SELECT approval, action, what, asker, expires, state, decider FROM approval"


def everything(tx: Transaction) -> list[Approval]:
    """All requests, oldest first."""
    return [_approval(row) for row in tx.query(f"{_ALL} ORDER BY asked")]


def find(tx: Transaction, approval: str) -> Approval:
    """The request of that id; raises NotFound."""
    rows = tx.query(f"{_ALL} WHERE approval = ?", (approval,))
    if not rows:
        raise NotFound("no such request", hint="see `cloister approval ls`")
    return _approval(rows[0])


def about(tx: Transaction, action: str, what: Mapping[str, Any], asker: str) -> list[Approval]:
    """What ``asker`` requested of exactly this kind, the newest first."""
    rows = tx.query(
        f"{_ALL} WHERE action = ? AND what = ? AND asker = ? ORDER BY asked DESC",
        (action, spelled(what), asker),
    )
    return [_approval(row) for row in rows]


def deciders(tx: Transaction, operation: str) -> tuple[PersonId, ...]:
    """Who agreed to what an operation did."""
    rows = tx.query(
        "SELECT decider FROM approval WHERE used_for = ? ORDER BY decided", (operation,)
    )
    return tuple(PersonId(row[0]) for row in rows)


def _decided(recorded: Recorded, state: str) -> Statement:
    return Statement(
        "UPDATE approval SET state = ?, decider = ?, decided = ? WHERE approval = ?",
        (state, recorded.event.actor, recorded.index, recorded.event.body["approval"]),
    )


def _approval(row: Row) -> Approval:
    approval, action, what, asker, expires, state, decider = row
    by = None if decider is None else PersonId(decider)
    asked_by = PersonId(asker)
    found = ApprovalId(approval)
    return Approval(found, action, json.loads(what), asked_by, expires, state, by)

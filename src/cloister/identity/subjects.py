"""Patients by random name only: links between names of one patient, and erasures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.ids import OperationId, SubjectId

SCHEMA = (
    "CREATE TABLE subject_link (a TEXT NOT NULL, b TEXT NOT NULL, linked INTEGER NOT NULL,"
    " PRIMARY KEY (a, b))",
    "CREATE TABLE erasure (operation TEXT NOT NULL, subject TEXT NOT NULL,"
    " position INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,"
    " intended INTEGER NOT NULL, completed INTEGER,"
    " PRIMARY KEY (operation, subject))",
    "CREATE INDEX erasure_subject ON erasure (subject)",
)


@dataclass(frozen=True, slots=True)
class PendingErasure:
    """An erasure that began and whose end is not on record."""

    operation: OperationId
    subjects: tuple[SubjectId, ...]
    reason: str


def subject_linked(recorded: Recorded) -> Iterator[Statement]:
    """Two names turned out to be one patient."""
    a, b = sorted((recorded.event.body["a"], recorded.event.body["b"]))
    yield Statement(
        "INSERT INTO subject_link VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (a, b, recorded.index),
    )


def subject_unlinked(recorded: Recorded) -> Iterator[Statement]:
    """The link was a mistake."""
    a, b = sorted((recorded.event.body["a"], recorded.event.body["b"]))
    yield Statement("DELETE FROM subject_link WHERE a = ? AND b = ?", (a, b))


def erase_intended(recorded: Recorded) -> Iterator[Statement]:
    """The decision to destroy keys; from here on the work is resumed until it is done."""
    body = recorded.event.body
    for position, subject in enumerate(body["subjects"]):
        yield Statement(
            "INSERT INTO erasure VALUES (?, ?, ?, 'intended', ?, ?, NULL)",
            (body["operation"], subject, position, body["reason"], recorded.index),
        )


def erase_completed(recorded: Recorded) -> Iterator[Statement]:
    """The keys are gone."""
    yield Statement(
        "UPDATE erasure SET state = 'completed', completed = ? WHERE operation = ?",
        (recorded.index, recorded.event.body["operation"]),
    )


def closure(tx: Transaction, subject: SubjectId) -> tuple[SubjectId, ...]:
    """All names of the patient ``subject`` names, through every link, itself first."""
    seen = [subject]
    for name in seen:
        rows = tx.query(
            "SELECT b FROM subject_link WHERE a = ?"
            " UNION SELECT a FROM subject_link WHERE b = ?",
            (name, name),
        )
        seen.extend(SubjectId(row[0]) for row in rows if row[0] not in seen)
    return tuple(seen)


def are_linked(tx: Transaction, a: str, b: str) -> bool:
    """Whether two names are linked to each other, not only through others."""
    pair = tuple(sorted((a, b)))
    return bool(tx.query("SELECT 1 FROM subject_link WHERE a = ? AND b = ?", pair))


def pending_erasures(tx: Transaction) -> tuple[PendingErasure, ...]:
    """Erasures to resume, oldest first."""
    found: dict[tuple[str, str], list[SubjectId]] = {}
    for operation, reason, subject in tx.iterate(
        "SELECT operation, reason, subject FROM erasure WHERE state = 'intended'"
        " ORDER BY intended, position"
    ):
        found.setdefault((operation, reason), []).append(SubjectId(subject))
    return tuple(
        PendingErasure(OperationId(operation), tuple(names), reason)
        for (operation, reason), names in found.items()
    )


def erasure_bounds(tx: Transaction, operation: str) -> tuple[int, int] | None:
    """Where the ledger records an erasure's intention and its end; None if it has none."""
    rows = tx.query(
        "SELECT intended, completed FROM erasure WHERE operation = ? AND completed IS NOT NULL",
        (operation,),
    )
    return (rows[0][0], rows[0][1]) if rows else None


def erased_at(tx: Transaction, subject: SubjectId) -> int | None:
    """Where the ledger records the end of this subject's erasure."""
    rows = tx.query("SELECT completed FROM erasure WHERE subject = ?", (subject,))
    return next((row[0] for row in rows if row[0] is not None), None)

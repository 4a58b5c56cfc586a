"""Patients by random name only: links between names of one patient, and erasures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.ids import OperationId, PersonId, SubjectId

SCHEMA = (
    "CREATE TABLE subject_link (a TEXT NOT NULL, b TEXT NOT NULL, linked INTEGER NOT NULL,"
    " unlinked INTEGER, PRIMARY KEY (a, b, linked))",
    "CREATE TABLE erasure (operation TEXT NOT NULL, subject TEXT NOT NULL,"
    " position INTEGER NOT NULL, state TEXT NOT NULL, actor TEXT NOT NULL,"
    " reason TEXT NOT NULL, intended INTEGER NOT NULL, completed INTEGER,"
    " PRIMARY KEY (operation, subject))",
    "CREATE INDEX erasure_subject ON erasure (subject)",
)


_NEVER = 2**62
"""Later than any place in the ledger."""


@dataclass(frozen=True, slots=True)
class PendingErasure:
    """An erasure that began and whose end is not on record."""

    operation: OperationId
    actor: PersonId
    """Who decided on it, whoever brings it to its end."""
    reason: str
    subjects: tuple[SubjectId, ...]


class ErasureRow(NamedTuple):
    """One erasure, decided on or done."""

    operation: OperationId
    actor: PersonId
    reason: str
    state: str
    intended: int
    completed: int | None
    subjects: tuple[SubjectId, ...]


def subject_linked(recorded: Recorded) -> Iterator[Statement]:
    """Two names turned out to be one patient."""
    a, b = sorted((recorded.event.body["a"], recorded.event.body["b"]))
    yield Statement("INSERT INTO subject_link VALUES (?, ?, ?, NULL)", (a, b, recorded.index))


def subject_unlinked(recorded: Recorded) -> Iterator[Statement]:
    """The link was a mistake; what was dealt out while it stood was dealt out by it."""
    a, b = sorted((recorded.event.body["a"], recorded.event.body["b"]))
    yield Statement(
        "UPDATE subject_link SET unlinked = ? WHERE a = ? AND b = ? AND unlinked IS NULL",
        (recorded.index, a, b),
    )


def erase_intended(recorded: Recorded) -> Iterator[Statement]:
    """The decision to destroy keys; from here on the work is resumed until it is done."""
    event, body = recorded.event, recorded.event.body
    for position, subject in enumerate(body["subjects"]):
        yield Statement(
            "INSERT INTO erasure VALUES (?, ?, ?, 'intended', ?, ?, ?, NULL)",
            (
                body["operation"],
                subject,
                position,
                event.actor,
                body["reason"],
                recorded.index,
            ),
        )


def erase_completed(recorded: Recorded) -> Iterator[Statement]:
    """The keys are gone."""
    yield Statement(
        "UPDATE erasure SET state = 'completed', completed = ? WHERE operation = ?",
        (recorded.index, recorded.event.body["operation"]),
    )


def closure(
    tx: Transaction, subject: SubjectId, at: int | None = None
) -> tuple[SubjectId, ...]:
    """All names of the patient ``subject`` names, through every link, itself first.

    By the links of today, or by those that stood at a place ``at`` in the ledger.
    """
    stood = "linked < :at AND (unlinked IS NULL OR unlinked > :at)"
    seen = [subject]
    for name in seen:
        rows = tx.query(
            f"SELECT b FROM subject_link WHERE a = :name AND {stood}"  # noqa: S608 - constant
            f" UNION SELECT a FROM subject_link WHERE b = :name AND {stood}",
            {"name": name, "at": _NEVER if at is None else at},
        )
        seen.extend(SubjectId(row[0]) for row in rows if row[0] not in seen)
    return tuple(seen)


def ever_linked(tx: Transaction) -> frozenset[str]:
    """Every name that is, or was, linked to another."""
    rows = tx.query("SELECT a FROM subject_link UNION SELECT b FROM subject_link")
    return frozenset(row[0] for row in rows)


def are_linked(tx: Transaction, a: str, b: str) -> bool:
    """Whether two names are linked to each other, not only through others."""
    pair = tuple(sorted((a, b)))
    return bool(
        tx.query("SELECT 1 FROM subject_link WHERE a = ? AND b = ? AND unlinked IS NULL", pair)
    )


def pending_erasures(tx: Transaction) -> tuple[PendingErasure, ...]:
    """Erasures to resume, oldest first."""
    found: dict[tuple[str, str, str], list[SubjectId]] = {}
    for operation, actor, reason, subject in tx.iterate(
        "SELECT operation, actor, reason, subject FROM erasure WHERE state = 'intended'"
        " ORDER BY intended, position"
    ):
        found.setdefault((operation, actor, reason), []).append(SubjectId(subject))
    return tuple(
        PendingErasure(OperationId(operation), PersonId(actor), reason, tuple(names))
        for (operation, actor, reason), names in found.items()
    )


def erasures(tx: Transaction) -> list[ErasureRow]:
    """Every erasure, the newest first."""
    found: dict[str, ErasureRow] = {}
    for row in tx.iterate(
        "SELECT operation, actor, reason, state, intended, completed, subject FROM erasure"
        " ORDER BY intended DESC, position"
    ):
        name, actor, reason, state, intended, completed, subject = row
        before = found[name].subjects if name in found else ()
        found[name] = ErasureRow(
            OperationId(name),
            PersonId(actor),
            reason,
            state,
            intended,
            completed,
            (*before, SubjectId(subject)),
        )
    return list(found.values())


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


def erased(tx: Transaction) -> frozenset[str]:
    """Every subject that is erased, or about to be."""
    return frozenset(row[0] for row in tx.query("SELECT DISTINCT subject FROM erasure"))


def erased_since(tx: Transaction, place: int) -> list[tuple[OperationId, SubjectId]]:
    """The erasures that came to their end after a place in the ledger."""
    rows = tx.query(
        "SELECT operation, subject FROM erasure WHERE completed > ?"
        " ORDER BY completed, position",
        (place,),
    )
    return [(OperationId(operation), SubjectId(subject)) for operation, subject in rows]

"""Corrections: a version taken back before anybody used it, a record given its patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloister.core.encoding import to_bytes
from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.ids import SubjectId

SCHEMA = (
    "CREATE TABLE retraction (dataset TEXT NOT NULL, number INTEGER NOT NULL,"
    " idx INTEGER NOT NULL, PRIMARY KEY (dataset, number))",
    "CREATE TABLE assignment (record TEXT PRIMARY KEY, dataset TEXT NOT NULL,"
    " provisional TEXT NOT NULL, subject TEXT NOT NULL, idx INTEGER NOT NULL)",
    "CREATE INDEX assignment_subject ON assignment (subject)",
)


LOOKS = ("check", "list", "report", "look", "balance")
"""Readings that are no use of a version: how else would anybody see that it is wrong?"""


def version_retracted(recorded: Recorded) -> Iterator[Statement]:
    """The version is as if it had never been; its number is not given again."""
    body = recorded.event.body
    dataset, number = body["dataset"], body["number"]
    yield Statement(
        "INSERT INTO retraction VALUES (?, ?, ?)", (dataset, number, recorded.index)
    )
    yield Statement(  # what it replaced is there again
        "UPDATE record SET removed_in = NULL WHERE dataset = ? AND removed_in = ?",
        (dataset, number),
    )
    yield Statement(
        "UPDATE record SET removed_in = ? WHERE dataset = ? AND added_in = ?",
        (number, dataset, number),
    )
    for batch in body["batches"]:
        yield Statement(
            "UPDATE record SET removed_in = ? WHERE batch = ? AND quarantine IS NOT NULL",
            (number, batch),
        )


def record_assigned(recorded: Recorded) -> Iterator[Statement]:
    """A quarantined record has a patient, and is under the patient's key as well."""
    body = recorded.event.body
    yield Statement(
        "UPDATE record SET subject = ?, wrap = ?, batch = ?, quarantine = NULL"
        " WHERE record = ?",
        (body["subject"], to_bytes(body["wrap"]), body["batch"], body["record"]),
    )
    yield Statement(
        "INSERT INTO assignment VALUES (?, ?, ?, ?, ?)",
        (
            body["record"],
            body["dataset"],
            body["provisional"],
            body["subject"],
            recorded.index,
        ),
    )


def provisionals(tx: Transaction, subjects: Sequence[str]) -> list[SubjectId]:
    """The keys that records of these subjects were under before they were assigned.

    They open those records still, so whoever erases the subjects erases these.
    """
    return [
        SubjectId(name)
        for subject in subjects
        for (name,) in tx.query(
            "SELECT DISTINCT provisional FROM assignment WHERE subject = ? ORDER BY 1",
            (subject,),
        )
    ]


def assigned(tx: Transaction, dataset: str) -> frozenset[str]:
    """The records of ``dataset`` that were given their subject by hand."""
    rows = tx.query("SELECT record FROM assignment WHERE dataset = ?", (dataset,))
    return frozenset(record for (record,) in rows)


def use_of(tx: Transaction, dataset: str, number: int) -> str | None:
    """What a version was used for, runs apart; None if it was not, and may be taken back."""
    version = (dataset, number)
    of = "WHERE dataset = ? AND number = ?"
    looks = ", ".join(f"'{purpose}'" for purpose in LOOKS)
    sql = f"SELECT purpose FROM read {of} AND purpose NOT IN ({looks}) LIMIT 1"  # noqa: S608
    if rows := tx.query(sql, version):
        return f"it was read ({rows[0][0]})"
    if rows := tx.query(f"SELECT tag FROM tag {of} LIMIT 1", version):  # noqa: S608
        return f"it has the tag {rows[0][0]}"
    # Few rows are gone through, and each looked up: the version may have 100,000 records.
    its = (
        "SELECT 1 FROM record r WHERE r.record = few.record AND r.dataset = ? AND added_in = ?"
    )
    sql = f"SELECT 1 FROM read few WHERE EXISTS ({its}) AND purpose NOT IN ({looks}) LIMIT 1"  # noqa: S608
    if tx.query(sql, version):
        return "a record of it was read"
    if tx.query(f"SELECT 1 FROM assignment few WHERE EXISTS ({its}) LIMIT 1", version):  # noqa: S608
        return "a record of it was assigned to a patient, which cannot be taken back"
    return None

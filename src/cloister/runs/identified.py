"""Where a run said which patient it was about: a finding on the run, by pseudonym only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.ids import SubjectId

SCHEMA = (
    "CREATE TABLE run_identified (run TEXT NOT NULL, place TEXT NOT NULL,"
    " subject TEXT NOT NULL, idx INTEGER NOT NULL, time TEXT NOT NULL,"
    " PRIMARY KEY (run, place, subject))",
)


class Place(StrEnum):
    """What held the id."""

    ARTIFACT = "artifact"
    """The name of an artifact; what is in it is sealed."""
    METRIC = "metric"
    """The name of a metric."""
    NAME = "name"
    """The name of a run, an experiment or a model."""
    OUTPUT = "output"
    """What the command printed."""
    PARAM = "param"
    """The name or the value of a parameter."""
    TAG = "tag"
    """The name or the value of a tag."""
    TRACE = "trace"
    """What a traced call was given or gave, or is said of it."""


class Identified(NamedTuple):
    """One patient named in one place of one run."""

    run: str
    """A run's id, or that of a tracked run."""
    place: str
    subject: SubjectId
    entry: int
    """Where the ledger says so first."""
    time: str


def run_identified(recorded: Recorded) -> Iterator[Statement]:
    """A patient's id was found in what a run said; the first time is what is kept."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO run_identified VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (body["run"], body["place"], body["subject"], recorded.index, event.time),
    )


def of_run(tx: Transaction, run: str) -> list[Identified]:
    """What was found in a run, by place and pseudonym."""
    sql = "SELECT run, place, subject, idx, time FROM run_identified WHERE run = ?"
    rows = tx.query(f"{sql} ORDER BY place, subject", (run,))
    return [Identified(row[0], row[1], SubjectId(row[2]), row[3], row[4]) for row in rows]


def counts(tx: Transaction, runs: Sequence[str]) -> dict[str, int]:
    """How many findings each of these runs has; as many as one query takes."""
    marks = ", ".join("?" * len(runs))
    sql = f"SELECT run, COUNT(*) FROM run_identified WHERE run IN ({marks}) GROUP BY run"  # noqa: S608
    return dict(tx.query(sql, runs))


def of_subject(tx: Transaction, subject: str) -> list[Identified]:
    """Where a patient was named, oldest first."""
    sql = "SELECT run, place, subject, idx, time FROM run_identified WHERE subject = ?"
    rows = tx.query(f"{sql} ORDER BY idx, place", (subject,))
    return [Identified(row[0], row[1], SubjectId(row[2]), row[3], row[4]) for row in rows]

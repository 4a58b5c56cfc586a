"""Experiments: what runs are gathered under."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cloister.core.errors import NotFound
from cloister.core.events import Recorded, Statement, Transaction
from cloister.tracking import limits
from cloister.tracking.notes import Note
from cloister.tracking.selecting import rows_of

SCHEMA = (
    "CREATE TABLE track_experiment (experiment INTEGER PRIMARY KEY, project TEXT NOT NULL,"
    " name TEXT NOT NULL, artifacts TEXT NOT NULL, stage TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, created INTEGER NOT NULL)",
    "CREATE UNIQUE INDEX track_experiment_name ON track_experiment (project, name)",
    "CREATE TABLE track_experiment_tag (experiment INTEGER NOT NULL, name TEXT NOT NULL,"
    " value TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (experiment, name))"
    " WITHOUT ROWID",
)
ACTIVE, DELETED = "active", "deleted"
DEFAULT = 0
"""The experiment that every client expects to be there."""
DEFAULT_NAME = "Default"
_TAG = """
    INSERT INTO track_experiment_tag (experiment, name, value, place) VALUES (?, ?, ?, ?)
    ON CONFLICT (experiment, name) DO UPDATE
    SET value = excluded.value, place = excluded.place
    WHERE excluded.place >= track_experiment_tag.place
"""
COLUMNS = "experiment, project, name, artifacts, stage, created_ms, updated_ms"


class Experiment(NamedTuple):
    """A name for runs that belong together."""

    number: int
    project: str
    """Whose it is."""
    name: str
    artifacts: str
    """Where clients put artifacts: an address below the tracking server itself."""
    stage: str
    """``active`` or ``deleted``."""
    created_ms: int
    updated_ms: int


def experiment_created(recorded: Recorded) -> Iterator[Statement]:
    """A new experiment."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO track_experiment (experiment, project, name, artifacts, stage,"
        " created_ms, updated_ms, created) VALUES (:experiment, :project, :name, :artifacts,"
        " 'active', :time_ms, :time_ms, :created)",
        {
            "experiment": body["experiment"],
            "project": body["project"],
            "name": body["name"],
            "artifacts": body["artifacts"],
            "time_ms": body["time_ms"],
            "created": recorded.index,
        },
    )
    for name, value in body["tags"]:
        yield Statement(_TAG, (body["experiment"], name, value, recorded.index))


def experiment_renamed(recorded: Recorded) -> Iterator[Statement]:
    """It has another name."""
    body = recorded.event.body
    yield Statement(
        "UPDATE track_experiment SET name = :name, updated_ms = :time_ms"
        " WHERE experiment = :experiment",
        dict(body),
    )


def experiment_staged(recorded: Recorded) -> Iterator[Statement]:
    """It is deleted, or restored, and all its runs with it."""
    body = recorded.event.body
    yield Statement(
        "UPDATE track_experiment SET stage = :stage, updated_ms = :time_ms"
        " WHERE experiment = :experiment",
        dict(body),
    )
    yield Statement(
        "UPDATE track_run SET stage = ?, deleted_ms = ? WHERE experiment = ?",
        (
            body["stage"],
            body["time_ms"] if body["stage"] == DELETED else None,
            body["experiment"],
        ),
    )


def experiment_tagged(recorded: Recorded) -> Iterator[Statement]:
    """A tag is set on it."""
    body = recorded.event.body
    yield Statement(_TAG, (body["experiment"], body["name"], body["value"], recorded.index))


def experiment_untagged(recorded: Recorded) -> Iterator[Statement]:
    """A tag is taken off it."""
    body = recorded.event.body
    yield Statement(
        "DELETE FROM track_experiment_tag WHERE experiment = ? AND name = ?",
        (body["experiment"], body["name"]),
    )


def check_tag(name: str, value: str) -> None:
    """Raises BadInput for a name or value that is refused."""
    limits.check_name(name, "tag key")
    limits.check_text(value, "tag value", limits.EXPERIMENT_TAG_CHARS)


def next_number(tx: Transaction) -> int:
    """The number of the next experiment; that of the default one is never given."""
    return int(tx.query("SELECT COALESCE(MAX(experiment), 0) + 1 FROM track_experiment")[0][0])


def find(tx: Transaction, number: int) -> Experiment:
    """The experiment of that number, deleted or not; raises NotFound."""
    rows = tx.query(
        f"SELECT {COLUMNS} FROM track_experiment WHERE experiment = ?",  # noqa: S608
        (number,),
    )
    if not rows:
        raise NotFound(f"No Experiment with id={number} exists")
    return Experiment._make(rows[0])


def of_numbers(tx: Transaction, numbers: Sequence[int]) -> list[Experiment]:
    """Those of these that are there."""
    rows = rows_of(
        tx,
        f"SELECT {COLUMNS} FROM track_experiment WHERE experiment IN (...)"  # noqa: S608
        " ORDER BY experiment",
        numbers,
    )
    return [Experiment._make(row) for row in rows]


def named(tx: Transaction, name: str) -> list[Experiment]:
    """The experiments of that name, deleted or not: at most one of each project."""
    rows = tx.query(
        f"SELECT {COLUMNS} FROM track_experiment WHERE name = ? ORDER BY project",  # noqa: S608
        (name,),
    )
    return [Experiment._make(row) for row in rows]


def tags(tx: Transaction, numbers: Sequence[int]) -> dict[int, list[Note]]:
    """The tags of these experiments."""
    found: dict[int, list[Note]] = {number: [] for number in numbers}
    rows = rows_of(
        tx,
        "SELECT experiment, name, value FROM track_experiment_tag"
        " WHERE experiment IN (...) ORDER BY experiment, name",
        numbers,
    )
    for number, name, value in rows:
        found[number].append(Note(name, value))
    return found


def everything(tx: Transaction) -> list[Experiment]:
    """All of them, deleted ones too."""
    rows = tx.query(f"SELECT {COLUMNS} FROM track_experiment ORDER BY experiment")  # noqa: S608
    return [Experiment._make(row) for row in rows]

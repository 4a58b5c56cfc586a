"""Tracked runs: what a script calls a run, and how it belongs to a run of the fence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cloister.core.errors import NotFound
from cloister.core.events import Recorded, Statement, Transaction
from cloister.tracking import artifacts, inputs, logged_models, notes, points, traces
from cloister.tracking.experiments import DELETED
from cloister.tracking.notes import RUN_NAME
from cloister.tracking.selecting import rows_of

SCHEMA = (
    "CREATE TABLE track_run (run TEXT PRIMARY KEY, experiment INTEGER NOT NULL,"
    " project TEXT NOT NULL,"
    " name TEXT NOT NULL, user_id TEXT NOT NULL, status TEXT NOT NULL,"
    " started_ms INTEGER NOT NULL, ended_ms INTEGER, stage TEXT NOT NULL,"
    " artifacts TEXT NOT NULL, fenced TEXT, actor TEXT NOT NULL, deleted_ms INTEGER,"
    " begun INTEGER NOT NULL)",
    "CREATE INDEX track_run_experiment ON track_run (experiment, stage, started_ms DESC, run)",
    "CREATE INDEX track_run_fenced ON track_run (fenced)",
)
COLUMNS = (
    "run, experiment, project, name, user_id, status, started_ms, ended_ms, stage, artifacts,"
    " fenced"
)
STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")


class TrackedRun(NamedTuple):
    """One run, as a script logs it."""

    run: str
    experiment: int
    project: str
    """Whose its experiment is."""
    name: str
    user_id: str
    """Who the client says it is; who acted is in the event."""
    status: str
    started_ms: int
    ended_ms: int | None
    stage: str
    artifacts: str
    fenced: str | None
    """The run of the fence it was made in; None where no fence was around it."""


def tracked_begun(recorded: Recorded) -> Iterator[Statement]:
    """A script begins a run."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        f"INSERT INTO track_run ({COLUMNS}, actor, deleted_ms, begun)"  # noqa: S608
        " VALUES (?, ?, ?, ?, ?, 'RUNNING', ?, NULL, 'active', ?, ?, ?, NULL, ?)",
        (
            body["tracked"],
            body["experiment"],
            body["project"],
            body["name"],
            body["user_id"],
            body["started_ms"],
            body["artifacts"],
            body["run"],
            event.actor,
            recorded.index,
        ),
    )
    yield from notes.written(recorded.index, body["tracked"], (), body["tags"])


def tracked_logged(recorded: Recorded) -> Iterator[Statement]:
    """It logs points, parameters and tags: all of a request, or nothing of it."""
    body = recorded.event.body
    if body["series"]:
        yield from points.written(body["tracked"], dict(body))
    yield from notes.written(recorded.index, body["tracked"], body["params"], body["tags"])


def tracked_updated(recorded: Recorded) -> Iterator[Statement]:
    """Its status, end or name is another."""
    body = recorded.event.body
    yield Statement(
        "UPDATE track_run SET status = COALESCE(:status, status),"
        " ended_ms = COALESCE(:ended_ms, ended_ms), name = COALESCE(:name, name)"
        " WHERE run = :tracked",
        {key: body[key] for key in ("status", "ended_ms", "name", "tracked")},
    )
    if body["name"] is not None:
        yield notes.tag(recorded.index, body["tracked"], RUN_NAME, body["name"])


def tracked_untagged(recorded: Recorded) -> Iterator[Statement]:
    """A tag is taken off it."""
    body = recorded.event.body
    yield Statement(
        "DELETE FROM track_tag WHERE run = ? AND name = ?", (body["tracked"], body["name"])
    )


def tracked_staged(recorded: Recorded) -> Iterator[Statement]:
    """It is deleted, or restored."""
    body = recorded.event.body
    yield Statement(
        "UPDATE track_run SET stage = ?, deleted_ms = ? WHERE run = ?",
        (
            body["stage"],
            body["time_ms"] if body["stage"] == DELETED else None,
            body["tracked"],
        ),
    )


def tracked_purged(recorded: Recorded) -> Iterator[Statement]:
    """It is gone for good: no table holds anything of it any more."""
    run = recorded.event.body["tracked"]
    yield from points.forget(run)
    yield from notes.forget(run)
    yield from inputs.forget(run)
    yield from logged_models.forget(run)
    yield from artifacts.forget(run)
    yield from traces.forget_links(run)
    yield Statement("DELETE FROM track_run WHERE run = ?", (run,))


def find(tx: Transaction, run: str) -> TrackedRun:
    """The run of that id, deleted or not; raises NotFound."""
    rows = tx.query(f"SELECT {COLUMNS} FROM track_run WHERE run = ?", (run,))  # noqa: S608
    if not rows:
        raise missing(run)
    return TrackedRun._make(rows[0])


def missing(run: str) -> NotFound:
    """What is said where no run of that id is, or none that the caller sees."""
    return NotFound(f"Run with id={run} not found")


def of_fenced(tx: Transaction, fenced: str) -> list[TrackedRun]:
    """What a run of the fence tracked, oldest first."""
    rows = tx.query(
        f"SELECT {COLUMNS} FROM track_run WHERE fenced = ? ORDER BY begun",  # noqa: S608
        (fenced,),
    )
    return [TrackedRun._make(row) for row in rows]


def deleted(tx: Transaction, before_ms: int) -> list[TrackedRun]:
    """Runs that were deleted before then, oldest first."""
    rows = tx.query(
        f"SELECT {COLUMNS} FROM track_run WHERE stage = 'deleted' AND deleted_ms <= ?"  # noqa: S608
        " ORDER BY begun",
        (before_ms,),
    )
    return [TrackedRun._make(row) for row in rows]


def of_ids(tx: Transaction, ids: Sequence[str]) -> list[TrackedRun]:
    """These runs, in no order."""
    sql = f"SELECT {COLUMNS} FROM track_run WHERE run IN (...) ORDER BY run"  # noqa: S608
    return [TrackedRun._make(row) for row in rows_of(tx, sql, ids)]


def actors(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Who acted when each of these runs was begun."""
    sql = "SELECT run, actor FROM track_run WHERE run IN (...)"
    return dict(rows_of(tx, sql, ids))


def of_experiment(tx: Transaction, experiment: int) -> list[TrackedRun]:
    """The runs of an experiment, deleted ones too, oldest first."""
    rows = tx.query(
        f"SELECT {COLUMNS} FROM track_run WHERE experiment = ? ORDER BY begun",  # noqa: S608
        (experiment,),
    )
    return [TrackedRun._make(row) for row in rows]

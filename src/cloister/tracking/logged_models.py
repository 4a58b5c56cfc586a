"""Logged models: what a run made that can be loaded, with its parameters, tags and metrics."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Recorded, SqlValue, Statement, Transaction
from cloister.tracking import limits, notes
from cloister.tracking.experiments import DELETED
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.tracking.selecting import rows_of

SCHEMA = (
    "CREATE TABLE track_model (model TEXT PRIMARY KEY, experiment INTEGER NOT NULL,"
    " project TEXT NOT NULL, fenced TEXT, name TEXT NOT NULL, kind TEXT NOT NULL,"
    " source_run TEXT NOT NULL, status TEXT NOT NULL, artifacts TEXT NOT NULL,"
    " stage TEXT NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
    " created INTEGER NOT NULL)",
    "CREATE INDEX track_model_experiment ON track_model (experiment, stage, created_ms)",
    "CREATE INDEX track_model_run ON track_model (source_run)",
    "CREATE TABLE track_model_metric (model TEXT NOT NULL, metric TEXT NOT NULL,"
    " run TEXT NOT NULL, dataset TEXT NOT NULL, digest TEXT NOT NULL, step INTEGER NOT NULL,"
    " time_ms INTEGER NOT NULL, value DOUBLE PRECISION NOT NULL, nan INTEGER NOT NULL,"
    " PRIMARY KEY (model, metric, run, dataset, digest, step, time_ms, value, nan))"
    " WITHOUT ROWID",
)
COLUMNS = (
    "model, experiment, project, fenced, name, kind, source_run, status, artifacts, stage,"
    " created_ms, updated_ms"
)
PENDING, READY, FAILED = (
    "LOGGED_MODEL_PENDING",
    "LOGGED_MODEL_READY",
    "LOGGED_MODEL_UPLOAD_FAILED",
)
STATUSES = (PENDING, READY, FAILED)
_BAD = frozenset("/:.%\"'")
_POINT = struct.Struct("<Hdqq")


class LoggedModel(NamedTuple):
    """One model, as a script logged it."""

    model: str
    """``m-`` and 32 hexadecimal digits."""
    experiment: int
    project: str
    fenced: str | None
    name: str
    kind: str
    """What the client calls its type; may be empty."""
    source_run: str
    """The tracked run that made it; may be empty."""
    status: str
    artifacts: str
    stage: str
    created_ms: int
    updated_ms: int


class Measured(NamedTuple):
    """A metric of a model, on a dataset if one was named."""

    model: str
    point: Point
    dataset: str = ""
    digest: str = ""
    run: str = ""


def notes_of(model: str) -> str:
    """Under what its parameters and tags are kept: no run can have such an id."""
    return f"model:{model}"


def created(recorded: Recorded) -> Iterator[Statement]:
    """A script begins to log a model."""
    body = recorded.event.body
    yield Statement(
        f"INSERT INTO track_model ({COLUMNS}, created)"  # noqa: S608 - ours
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'active', ?, ?, ?)",
        (
            body["model"],
            body["experiment"],
            body["project"],
            body["run"],
            body["name"],
            body["kind"],
            body["source_run"],
            PENDING,
            body["artifacts"],
            body["time_ms"],
            body["time_ms"],
            recorded.index,
        ),
    )
    yield from notes.written(
        recorded.index, notes_of(body["model"]), body["params"], body["tags"]
    )


def updated(recorded: Recorded) -> Iterator[Statement]:
    """It is complete, or it failed; or it has more parameters or tags."""
    body = recorded.event.body
    yield Statement(
        "UPDATE track_model SET status = COALESCE(?, status), updated_ms = ? WHERE model = ?",
        (body["status"], body["time_ms"], body["model"]),
    )
    yield from notes.written(
        recorded.index, notes_of(body["model"]), body["params"], body["tags"]
    )


def untagged(recorded: Recorded) -> Iterator[Statement]:
    """A tag is taken off it."""
    body = recorded.event.body
    yield Statement(
        "DELETE FROM track_tag WHERE run = ? AND name = ?",
        (notes_of(body["model"]), body["name"]),
    )


def measured(recorded: Recorded) -> Iterator[Statement]:
    """A run measured it."""
    body = recorded.event.body
    names = body["metrics"]
    for number, value, time_ms, step in _POINT.iter_unpack(to_bytes(body["points"])):
        nan = int(math.isnan(value))
        model, metric, dataset, digest = names[number]
        yield Statement(
            "INSERT INTO track_model_metric (model, metric, run, dataset, digest, step,"
            " time_ms, value, nan) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                *(model, metric, body["tracked"], dataset, digest, step, time_ms),
                *((0.0, 1) if nan else (value, 0)),
            ),
        )


def deleted(recorded: Recorded) -> Iterator[Statement]:
    """It is gone: of a deleted model its name is all that stays."""
    body = recorded.event.body
    model = body["model"]
    yield Statement(
        "UPDATE track_model SET stage = ?, updated_ms = ? WHERE model = ?",
        (DELETED, body["time_ms"], model),
    )
    yield Statement("DELETE FROM track_model_metric WHERE model = ?", (model,))
    yield from notes.forget(notes_of(model))


def forget(run: str) -> Iterator[Statement]:
    """The writes that remove every model a run logged, their files and their measurements."""
    made = "SELECT model FROM track_model WHERE source_run = ?"
    yield Statement(f"DELETE FROM track_artifact WHERE holder IN ({made})", (run,))  # noqa: S608
    for table in ("track_param", "track_tag"):
        noted = f"SELECT '{notes_of('')}' || model FROM track_model WHERE source_run = ?"  # noqa: S608
        yield Statement(f"DELETE FROM {table} WHERE run IN ({noted})", (run,))  # noqa: S608
    yield Statement(
        f"DELETE FROM track_model_metric WHERE run = ? OR model IN ({made})",  # noqa: S608
        (run, run),
    )
    yield Statement("DELETE FROM track_model WHERE source_run = ?", (run,))


def measured_body(run: str, all_measured: Sequence[Measured]) -> dict[str, Any]:
    """The fields of the event that says what ``run`` measured."""
    names: dict[tuple[str, str, str, str], int] = {}
    packed = bytearray()
    for model, point, dataset, digest, _ in all_measured:
        key = (model, point.metric, dataset, digest)
        number = names.setdefault(key, len(names))
        packed += _POINT.pack(number, point.value, point.time_ms, point.step)
    return {
        "metrics": [list(key) for key in names],
        "points": to_text(bytes(packed)),
        "tracked": run,
    }


def check_name(name: str) -> None:
    """Raises BadInput for a name that MLflow refuses."""
    if not name or _BAD.intersection(name):
        raise BadInput(
            "Invalid model name: it is empty, or holds one of the characters"
            f" {' '.join(sorted(_BAD))}"
        )
    limits.check_text(name, "name", limits.EXPERIMENT_NAME_CHARS)


def find(tx: Transaction, model: str) -> LoggedModel:
    """The model of that id, deleted or not; raises NotFound."""
    rows = tx.query(f"SELECT {COLUMNS} FROM track_model WHERE model = ?", (model,))  # noqa: S608
    if not rows:
        raise NotFound(f"Logged model with ID '{model}' not found.")
    return LoggedModel._make(rows[0])


def of_run(tx: Transaction, run: str) -> list[LoggedModel]:
    """The models that a run made and that are there, oldest first."""
    rows = tx.query(
        f"SELECT {COLUMNS} FROM track_model WHERE source_run = ? AND stage = 'active'"  # noqa: S608
        " ORDER BY created",
        (run,),
    )
    return [LoggedModel._make(row) for row in rows]


def of_fenced(tx: Transaction, fenced: str) -> list[LoggedModel]:
    """The models that a run of the fence made and that are there, oldest first."""
    rows = tx.query(
        f"SELECT {COLUMNS} FROM track_model WHERE stage = 'active' AND (fenced = ?"  # noqa: S608
        " OR source_run IN (SELECT run FROM track_run WHERE fenced = ?)) ORDER BY created",
        (fenced, fenced),
    )
    return [LoggedModel._make(row) for row in rows]


def metrics(tx: Transaction, models: Sequence[str]) -> Mapping[str, list[Measured]]:
    """What was measured of each of these."""
    found: dict[str, list[Measured]] = {model: [] for model in models}
    rows = rows_of(
        tx,
        "SELECT model, metric, run, dataset, digest, step, time_ms, value, nan"
        " FROM track_model_metric WHERE model IN (...) ORDER BY model, metric, time_ms, step",
        models,
    )
    for model, metric, run, dataset, digest, step, time_ms, value, nan in rows:
        point = Point(metric, math.nan if nan else value, time_ms, step)
        found[model].append(Measured(model, point, dataset, digest, run))
    return found


def notes_by_model(
    rows: Sequence[tuple[str, str, str]], models: Sequence[str]
) -> dict[str, list[Note]]:
    """Parameters or tags, as ``notes`` gives them, by model."""
    found: dict[str, list[Note]] = {notes_of(model): [] for model in models}
    for key, name, value in rows:
        found[key].append(Note(name, value))
    return found


def select(
    tx: Transaction,
    where: str,
    order: str,
    bound: Sequence[SqlValue],
) -> list[LoggedModel]:
    """The active models ``m`` for which ``where`` holds, in that order; both are ours."""
    columns = ", ".join(f"m.{column.strip()}" for column in COLUMNS.split(","))
    rows = tx.query(
        f"SELECT {columns} FROM track_model m WHERE m.stage = 'active'{where} ORDER BY {order}",  # noqa: S608
        bound,
    )
    return [LoggedModel._make(row) for row in rows]

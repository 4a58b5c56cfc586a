"""Traces of a stock store (MLflow 3), out of its folder or its database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloister.core.errors import BadInput
from cloister.tracking import assessments, times
from cloister.tracking.assessments import Assessment
from cloister.tracking.notes import Note
from cloister.tracking.spans import Json
from cloister.tracking.stock.spans import of_stock
from cloister.tracking.traces import NAME

FILE = "traces.json"
"""The artifact that holds the spans where the database does not."""
OURS = frozenset(
    {"mlflow.artifactLocation", "mlflow.trace.spansLocation", "mlflow.trace.infoFinalized"}
)
"""What a store says of how it keeps a trace itself."""
_LONGEST = 256 << 20
_TOKENS = ("input_tokens", "output_tokens", "total_tokens")


@dataclass(frozen=True, slots=True)
class StockTrace:
    """A traced call."""

    id: str
    experiment: str
    started_ms: int
    duration_ms: int | None
    state: str
    client: str | None
    given: str | None = field(repr=False)
    gave: str | None = field(repr=False)
    metadata: tuple[Note, ...]
    tags: tuple[Note, ...]
    spans: tuple[Json, ...] | None = field(repr=False)
    """In OTLP's JSON; None where they are of a form that is not read."""
    artifacts: Path | None
    assessments: tuple[Assessment | None, ...] = field(default=(), repr=False)
    """None for one that is not kept here: of a kind that is newer, or too long."""
    runs: tuple[str, ...] = ()
    """The ids of runs that it is linked to, beside the one that it was called in."""


def of_folder(
    meta: Mapping[str, Any],
    noted: tuple[Iterable[Note], Iterable[Note]],
    experiment: str,
    artifacts: Path | None,
    file: Path | None,
    assessed: Iterable[Mapping[str, Any]] = (),
) -> StockTrace:
    """A trace, from what is in its folder: ``noted`` are metadata and tags, ``file`` holds
    its spans, ``assessed`` what is said of it."""
    metadata, tags = noted
    return StockTrace(
        id=str(meta.get("trace_id") or meta.get("request_id") or ""),
        experiment=experiment,
        started_ms=_time_ms(meta.get("request_time") or meta.get("timestamp_ms")),
        duration_ms=meta.get("execution_duration_ms", meta.get("execution_time_ms")),
        state=str(meta.get("state") or meta.get("status") or "STATE_UNSPECIFIED"),
        client=meta.get("client_request_id"),
        given=meta.get("request_preview"),
        gave=meta.get("response_preview"),
        metadata=_others(metadata),
        tags=_others(tags),
        spans=in_file(file),
        artifacts=artifacts,
        assessments=tuple(_readable(assessments.read, one, "", 0) for one in assessed),
    )


def of_row(
    row: Mapping[str, Any],
    noted: tuple[Iterable[Note], Iterable[Note]],
    contents: Iterable[str],
    artifacts: Path | None,
    file: Path | None,
) -> StockTrace:
    """A trace, from its row; later releases keep some of its metadata in columns, and earlier
    ones its spans in ``file``."""
    metadata, tags = noted
    said = {note.name: note.value for note in metadata}
    tokens = {key: row[key] for key in _TOKENS if row.get(key) is not None}
    if tokens:
        said.setdefault("mlflow.trace.tokenUsage", json.dumps(tokens))
    if row.get("session_id"):
        said.setdefault("mlflow.trace.session", row["session_id"])
    named = {NAME: row["trace_name"]} if row.get("trace_name") else {}
    kept = tuple(contents)
    return StockTrace(
        id=row["request_id"],
        experiment=str(row["experiment_id"]),
        started_ms=row["timestamp_ms"] or 0,
        duration_ms=row.get("execution_time_ms"),
        state=row.get("status") or "STATE_UNSPECIFIED",
        client=row.get("client_request_id"),
        given=row.get("request_preview"),
        gave=row.get("response_preview"),
        metadata=_others(Note(*pair) for pair in said.items()),
        tags=_others(Note(*pair) for pair in ({n.name: n.value for n in tags} | named).items()),
        spans=_read(kept) if kept else in_file(file),
        artifacts=artifacts,
    )


def of_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[Assessment | None, ...]:
    """What is said of a trace."""
    return tuple(_readable(_assessment, row) for row in rows)


def _readable(read: Callable[..., Assessment], *said: Any) -> Assessment | None:
    try:
        return read(*said)
    except (BadInput, ValueError, TypeError, KeyError, RecursionError):
        return None


def _assessment(row: Mapping[str, Any]) -> Assessment:
    """From its row."""
    made = Assessment(
        id=row["assessment_id"],
        name=row["name"],
        kind=row["assessment_type"],
        value=json.loads(row["value"]),
        source=row["source_type"],
        source_id=row["source_id"] or "",
        created_ms=row["created_timestamp"],
        updated_ms=row["last_updated_timestamp"],
        error=assessments.error_of({"error": json.loads(row["error"] or "null")}),
        rationale=row["rationale"],
        metadata=json.loads(row["assessment_metadata"] or "{}"),
        span=row["span_id"],
        overrides=row["overrides"],
    )
    assessments.check(made)
    return made


def in_file(file: Path | None) -> tuple[Json, ...] | None:
    """The spans in an artifact of that form; none where there is no such file."""
    if file is None or not file.is_file():
        return ()
    if file.stat().st_size > _LONGEST:
        return None
    try:
        said = json.loads(file.read_bytes())["spans"]
        return tuple(of_stock(one) for one in said)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadInput):
        return None


def _read(contents: Iterable[str]) -> tuple[Json, ...] | None:
    try:
        return tuple(of_stock(json.loads(one)) for one in contents)
    except (ValueError, AttributeError, RecursionError, BadInput):
        return None


def _others(notes: Iterable[Note]) -> tuple[Note, ...]:
    return tuple(note for note in notes if note.name not in OURS)


def _time_ms(said: object) -> int:
    if isinstance(said, int):
        return said
    return times.read(str(said), "request_time")


def described(one: StockTrace) -> dict[str, Any]:
    """What stands in the folder of a trace, under ``trace_info.yaml``."""
    said = {
        "client_request_id": one.client,
        "execution_duration_ms": one.duration_ms,
        "request_preview": one.given,
        "request_time": times.written(one.started_ms),
        "response_preview": one.gave,
        "state": one.state,
        "trace_id": one.id,
        "trace_location": {
            "mlflow_experiment": {"experiment_id": one.experiment},
            "type": "MLFLOW_EXPERIMENT",
        },
    }
    return {name: value for name, value in said.items() if value is not None}

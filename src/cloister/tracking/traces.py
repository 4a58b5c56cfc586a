"""Traces: one traced call each, as clients list and search them; what it said is sealed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Recorded, SqlValue, Statement, Transaction
from cloister.tracking import limits, notes
from cloister.tracking.notes import Note
from cloister.tracking.selecting import rows_of

SCHEMA = (
    "CREATE TABLE track_trace (trace TEXT PRIMARY KEY, experiment INTEGER NOT NULL,"
    " project TEXT NOT NULL, fenced TEXT, source_run TEXT NOT NULL, client TEXT,"
    " started_ms INTEGER NOT NULL, duration_ms INTEGER, state TEXT NOT NULL,"
    " final INTEGER NOT NULL, told INTEGER NOT NULL)",
    "CREATE INDEX track_trace_experiment ON track_trace (experiment, started_ms DESC, trace)",
    "CREATE INDEX track_trace_run ON track_trace (source_run)",
)
LINKS = (
    "CREATE TABLE track_trace_link (trace TEXT NOT NULL, run TEXT NOT NULL,"
    " PRIMARY KEY (trace, run)) WITHOUT ROWID",
    "CREATE INDEX track_trace_link_run ON track_trace_link (run)",
)
COLUMNS = (
    "trace, experiment, project, fenced, source_run, client, started_ms, duration_ms, state,"
    " final"
)
RUNNING = "IN_PROGRESS"
STATES = ("OK", "ERROR", RUNNING, "STATE_UNSPECIFIED")
NAME = "mlflow.traceName"
"""The tag under which clients keep what was called."""
SOURCE_RUN = "mlflow.sourceRun"
"""The metadata that say in which tracked run it was called."""
SAID = ("mlflow.traceInputs", "mlflow.traceOutputs")
"""Metadata that repeat what the call was given and gave: sealed with it."""
FACE = "face"
"""The sealed part that holds what lists show of it; the others hold spans."""
MOST_SPAN_BYTES = 64 << 20
"""Of one trace: it is put together in memory when it is read."""
MOST_LINKS = 100
"""Of one request."""
_ID = re.compile(r"tr-[0-9A-Za-z_-]{1,64}")
# The later event decides, for those of neighbours may be written in any order.
_PUT = f"""
    INSERT INTO track_trace ({COLUMNS}, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (trace) DO UPDATE SET source_run = excluded.source_run,
    client = excluded.client, started_ms = excluded.started_ms,
    duration_ms = excluded.duration_ms, state = excluded.state, final = excluded.final,
    told = excluded.told WHERE excluded.told >= track_trace.told
"""  # noqa: S608 - our own columns


class Trace(NamedTuple):
    """One call, without what it said."""

    trace: str
    """``tr-`` and, of every client there is, 32 hexadecimal digits."""
    experiment: int
    project: str
    fenced: str | None
    """The run of the fence it was called in; None where no fence was around it."""
    source_run: str
    """The tracked run it was called in; may be empty."""
    client: str | None
    """What the caller's own client calls the request."""
    started_ms: int
    duration_ms: int | None
    state: str
    final: int
    """1 once its client has said how it ended; spans that come later change nothing else."""

    def body(self, metadata: Sequence[Note] = (), tags: Sequence[Note] = ()) -> dict[str, Any]:
        """The event body."""
        return {
            "client": self.client,
            "duration_ms": self.duration_ms,
            "experiment": self.experiment,
            "final": bool(self.final),
            "metadata": [list(note) for note in metadata],
            "project": self.project,
            "run": self.fenced,
            "source_run": self.source_run,
            "started_ms": self.started_ms,
            "state": self.state,
            "tags": [list(note) for note in tags],
            "trace": self.trace,
        }


def parts_of(trace: str) -> str:
    """What its sealed spans are kept under; no address that a client can say leads there."""
    return f"spans:{trace}"


def tags_of(trace: str) -> str:
    """Under what its tags are kept: no run can have such an id."""
    return f"trace:{trace}"


def metadata_of(trace: str) -> str:
    """Under what its metadata are kept."""
    return f"metadata:{trace}"


def told(recorded: Recorded) -> Iterator[Statement]:
    """A call began, went on, or ended."""
    body = recorded.event.body
    trace = body["trace"]
    yield Statement(
        _PUT,
        (
            *(trace, body["experiment"], body["project"], body["run"], body["source_run"]),
            *(body["client"], body["started_ms"], body["duration_ms"], body["state"]),
            *(int(body["final"]), recorded.index),
        ),
    )
    yield from notes.written(recorded.index, metadata_of(trace), (), body["metadata"])
    yield from notes.written(recorded.index, tags_of(trace), (), body["tags"])


def tagged(recorded: Recorded) -> Iterator[Statement]:
    """A tag is set on it."""
    body = recorded.event.body
    yield notes.tag(recorded.index, tags_of(body["trace"]), body["name"], body["value"])


def untagged(recorded: Recorded) -> Iterator[Statement]:
    """A tag is taken off it."""
    body = recorded.event.body
    yield Statement(
        "DELETE FROM track_tag WHERE run = ? AND name = ?",
        (tags_of(body["trace"]), body["name"]),
    )


def linked(recorded: Recorded) -> Iterator[Statement]:
    """It is listed with another tracked run as well."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO track_trace_link (trace, run) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (body["trace"], body["tracked"]),
    )


def forget_links(run: str) -> Iterator[Statement]:
    """The writes that take every trace off a tracked run that it is linked to."""
    yield Statement("DELETE FROM track_trace_link WHERE run = ?", (run,))


def deleted(recorded: Recorded) -> Iterator[Statement]:
    """It is gone for good."""
    trace = recorded.event.body["trace"]
    yield Statement("DELETE FROM track_trace_link WHERE trace = ?", (trace,))
    yield Statement("DELETE FROM track_trace WHERE trace = ?", (trace,))
    yield from notes.forget(metadata_of(trace))
    yield from notes.forget(tags_of(trace))


def is_id(name: str) -> bool:
    """Whether ``name`` can be the id of a trace."""
    return _ID.fullmatch(name) is not None


def check_id(name: str) -> None:
    """Raises BadInput for what cannot be the id of a trace."""
    if not is_id(name):
        raise BadInput("Invalid value for parameter 'trace_id' supplied")


def check_tags(tags: Sequence[Note]) -> None:
    """Raises BadInput for names or values that are refused, or too many."""
    limits.check_count("tags", len(tags), limits.TEXTS_A_BATCH)
    notes.check_tags(tags)


def check_metadata(metadata: Sequence[Note]) -> None:
    """Raises BadInput for names or values that are refused, or too many."""
    limits.check_count("metadata", len(metadata), limits.TEXTS_A_BATCH)
    for name, value in metadata:
        limits.check_text(name, "metadata key", limits.KEY_CHARS)
        limits.check_text(value, "metadata value", limits.TAG_CHARS)


def missing(trace: str) -> NotFound:
    """The error that says that nothing of that id is there."""
    return NotFound(f"Trace with ID '{trace[:80]}' not found.")


def find(tx: Transaction, trace: str) -> Trace:
    """The trace of that id; raises NotFound."""
    found = of_ids(tx, [trace])
    if not found:
        raise missing(trace)
    return found[0]


def of_ids(tx: Transaction, ids: Sequence[str]) -> list[Trace]:
    """Those of these that are there, in no order."""
    sql = f"SELECT {COLUMNS} FROM track_trace WHERE trace IN (...) ORDER BY trace"  # noqa: S608
    return [Trace._make(row) for row in rows_of(tx, sql, ids)]


def of_run(tx: Transaction, run: str) -> list[Trace]:
    """What was called in a tracked run, oldest first."""
    return select(tx, "t.source_run = ?", "t.started_ms, t.trace", (run,))


def of_experiment(
    tx: Transaction, experiment: int, until_ms: int | None = None, most: int | None = None
) -> list[Trace]:
    """Of an experiment, oldest first: all, or those that began until then, or that many."""
    where, bound = "t.experiment = ?", [experiment]
    if until_ms is not None:
        where, bound = f"{where} AND t.started_ms <= ?", [*bound, until_ms]
    order = "t.started_ms, t.trace"
    if most is not None:
        order, bound = f"{order} LIMIT ?", [*bound, most]
    return select(tx, where, order, bound)


def linked_to(tx: Transaction, run: str) -> set[str]:
    """The ids of those that are linked to a tracked run."""
    rows = tx.query("SELECT trace FROM track_trace_link WHERE run = ?", (run,))
    return {row[0] for row in rows}


def select(tx: Transaction, where: str, order: str, bound: Sequence[SqlValue]) -> list[Trace]:
    """The traces ``t`` for which ``where`` holds, in that order; both are ours."""
    columns = ", ".join(f"t.{column.strip()}" for column in COLUMNS.split(","))
    rows = tx.query(
        f"SELECT {columns} FROM track_trace t WHERE {where} ORDER BY {order}",  # noqa: S608
        bound,
    )
    return [Trace._make(row) for row in rows]


def notes_by_trace(
    tx: Transaction, names: Sequence[str]
) -> tuple[Mapping[str, list[Note]], Mapping[str, list[Note]]]:
    """(metadata, tags) of these traces."""
    metadata: dict[str, list[Note]] = {metadata_of(name): [] for name in names}
    tags: dict[str, list[Note]] = {tags_of(name): [] for name in names}
    for key, name, value in notes.tags(tx, [*metadata, *tags]):
        (metadata if key in metadata else tags)[key].append(Note(name, value))
    return metadata, tags

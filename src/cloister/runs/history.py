"""Runs on record: what was started on which data, what it left behind, how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from cloister.core.canonical import canonical
from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import NotFound
from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import RunId
from cloister.core.values import FenceLevel, FenceReport, KeyRef

SCHEMA = (
    "CREATE TABLE run (run TEXT PRIMARY KEY, actor TEXT NOT NULL, state TEXT NOT NULL,"
    " command BLOB NOT NULL, command_commitment TEXT NOT NULL, seal BLOB NOT NULL,"
    " wrap BLOB NOT NULL, code TEXT NOT NULL, environment TEXT NOT NULL,"
    " settings TEXT NOT NULL, begun INTEGER NOT NULL, started TEXT NOT NULL,"
    " exit_status INTEGER, fence TEXT, ended INTEGER, finished TEXT)",
    "CREATE TABLE run_input (run TEXT NOT NULL, dataset TEXT NOT NULL, number INTEGER NOT NULL,"
    " root TEXT NOT NULL, part TEXT NOT NULL, PRIMARY KEY (run, dataset, number))",
    "CREATE INDEX run_input_version ON run_input (dataset, number)",
    "CREATE TABLE run_output (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, kind TEXT NOT NULL,"
    " object TEXT NOT NULL, size INTEGER NOT NULL, seal BLOB NOT NULL, wrap BLOB NOT NULL,"
    " meta BLOB NOT NULL, commitment TEXT NOT NULL)",
    "CREATE INDEX run_output_run ON run_output (run)",
)


class Run(NamedTuple):
    """One execution of a user's command."""

    run: RunId
    actor: str
    state: str
    """``running``, ``finished``, ``failed`` or ``interrupted``."""
    command: bytes
    """Sealed argv (runs/command.py): arguments may name patients."""
    command_commitment: str
    seal: bytes
    wrap: bytes
    code: str
    environment: str
    settings: str
    """Canonical JSON of name -> text."""
    begun: int
    started: str
    exit_status: int | None
    fence: str | None
    ended: int | None
    finished: str | None

    @property
    def key(self) -> KeyRef:
        """What opens the command."""
        return KeyRef(self.run, self.seal, self.wrap)


class RunInput(NamedTuple):
    """A dataset version a run was given."""

    run: RunId
    dataset: str
    number: int
    root: str
    part: str
    """``split:part``, or empty for all of it."""


class RunOutput(NamedTuple):
    """One thing a run left: a file, its log, its code."""

    place: int
    run: RunId
    kind: str
    """``output``, ``log`` or ``code``."""
    object: str
    size_bytes: int
    seal: bytes
    wrap: bytes
    meta: bytes
    commitment: str

    @property
    def key(self) -> KeyRef:
        """What opens it."""
        return KeyRef(self.run, self.seal, self.wrap)

    def body(self) -> dict[str, Any]:
        """The event body."""
        return {
            "commitment": self.commitment,
            "kind": self.kind,
            "meta": to_text(self.meta),
            "object": self.object,
            "run": self.run,
            "seal": to_text(self.seal),
            "size": self.size_bytes,
            "wrap": to_text(self.wrap),
        }


def run_begun(recorded: Recorded) -> Iterator[Statement]:
    """A command is about to start."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO run VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " NULL, NULL, NULL, NULL)",
        (
            body["run"],
            event.actor,
            to_bytes(body["command"]),
            body["command_commitment"],
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            body["code"],
            body["environment"],
            canonical(body["settings"]).decode(),
            recorded.index,
            event.time,
        ),
    )
    for version in body["versions"]:
        yield Statement(
            "INSERT INTO run_input VALUES (:run, :dataset, :number, :root, :part)",
            {"run": body["run"], **version},
        )


def was_given(tx: Transaction, dataset: str, number: int) -> bool:
    """Whether any run was given that version."""
    sql = "SELECT 1 FROM run_input WHERE dataset = ? AND number = ? LIMIT 1"
    return bool(tx.query(sql, (dataset, number)))


def run_output(recorded: Recorded) -> Iterator[Statement]:
    """Something it left behind is sealed."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO run_output VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            recorded.index,
            body["run"],
            body["kind"],
            body["object"],
            body["size"],
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            to_bytes(body["meta"]),
            body["commitment"],
        ),
    )


def run_ended(recorded: Recorded) -> Iterator[Statement]:
    """It is over, one way or another."""
    event, body = recorded.event, recorded.event.body
    fence = body["fence"]
    yield Statement(
        "UPDATE run SET state = ?, exit_status = ?, fence = ?, ended = ?, finished = ?"
        " WHERE run = ?",
        (
            body["state"],
            body["exit_status"],
            None if fence is None else canonical(fence).decode(),
            recorded.index,
            event.time,
            body["run"],
        ),
    )


def find(tx: Transaction, run: str, seen: Callable[[str], bool] | None = None) -> Run:
    """The run named ``run``, by a unique beginning, or ``last``; raises NotFound.

    ``last`` is the newest that somebody asked for: a replay only examines another. Of the
    runs that are ``seen``, where that is said: others are as if not there.
    """
    if run == "last":
        found = tx.iterate(
            "SELECT * FROM run WHERE run NOT IN (SELECT run FROM run_link WHERE how = ?)"
            " ORDER BY begun DESC",
            ("replay",),
        )
        rows = list(islice((row for row in found if seen is None or seen(row[0])), 1))
    else:
        found = tx.iterate("SELECT * FROM run WHERE run >= ? AND run < ?", (run, run + "~"))
        rows = list(islice((row for row in found if seen is None or seen(row[0])), 2))
    if run == "last" and not rows:
        raise NotFound("there is no run yet", hint="make one: `cloister run -- COMMAND`")
    if len(rows) != 1:
        what = "no run" if not rows else "more than one run"
        raise NotFound(f"{what} begins with {run}", hint="see `cloister ls --runs`")
    return _run(rows[0])


def everything(tx: Transaction) -> list[Run]:
    """All runs, oldest first."""
    return [_run(row) for row in tx.query("SELECT * FROM run ORDER BY begun")]


def of_ids(tx: Transaction, ids: Sequence[str]) -> list[Run]:
    """These runs, in no order; as many as one query takes."""
    marks = ", ".join("?" * len(ids))
    return [_run(row) for row in tx.query(f"SELECT * FROM run WHERE run IN ({marks})", ids)]  # noqa: S608


def inputs_of(tx: Transaction, ids: Sequence[str]) -> dict[str, list[RunInput]]:
    """What each of these runs was given; as many as one query takes."""
    marks = ", ".join("?" * len(ids))
    found: dict[str, list[RunInput]] = {}
    for row in tx.query(
        f"SELECT * FROM run_input WHERE run IN ({marks}) ORDER BY dataset, number",  # noqa: S608
        ids,
    ):
        found.setdefault(row[0], []).append(RunInput._make(row))
    return found


def running(tx: Transaction) -> list[Run]:
    """Runs whose end is not on record."""
    return [_run(row) for row in tx.query("SELECT * FROM run WHERE state = 'running'")]


def inputs(tx: Transaction, run: str) -> list[RunInput]:
    """What a run was given."""
    rows = tx.query("SELECT * FROM run_input WHERE run = ? ORDER BY dataset, number", (run,))
    return [RunInput._make(row) for row in rows]


def outputs(tx: Transaction, run: str) -> list[RunOutput]:
    """What a run left, in ledger order."""
    rows = tx.query("SELECT * FROM run_output WHERE run = ? ORDER BY idx", (run,))
    return [RunOutput._make((row[0], RunId(row[1]), *row[2:])) for row in rows]


def given(tx: Transaction, dataset: str, number: int) -> list[Run]:
    """The runs that were given one version or a part of it, the newest first."""
    rows = tx.query(
        "SELECT * FROM run WHERE run IN"
        " (SELECT run FROM run_input WHERE dataset = ? AND number = ?) ORDER BY begun DESC",
        (dataset, number),
    )
    return [_run(row) for row in rows]


def that_read(tx: Transaction, dataset: str) -> list[RunInput]:
    """What of ``dataset`` runs were given, all of them."""
    rows = tx.query("SELECT * FROM run_input WHERE dataset = ? ORDER BY run", (dataset,))
    return [RunInput._make(row) for row in rows]


def fence_body(report: FenceReport) -> dict[str, Any]:
    """A fence report as the ledger keeps it."""
    return {
        "exit_status": report.exit_status,
        "level": report.level.value,
        "network_attempts": report.network_attempts,
        "notes": list(report.notes),
        "peak_memory_bytes": report.peak_memory_bytes,
        "refused_syscalls": dict(report.refused_syscalls),
        "setup_ms": report.setup_ms,
        "wall_ms": report.wall_ms,
    }


def fence_report(text: str) -> FenceReport:
    """The report the ledger kept."""
    value = json.loads(text)
    value["level"] = FenceLevel(value["level"])
    value["notes"] = tuple(value["notes"])
    return FenceReport(**value)


def settings(run: Run) -> Mapping[str, str]:
    """What a replay must re-impose."""
    found: dict[str, str] = json.loads(run.settings)
    return found


def _run(row: Row) -> Run:
    fields = list(row)
    fields[0] = RunId(str(row[0]))
    return Run._make(fields)

"""Jobs on record: what waits for a part of the machine, what has it, how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from cloister.core.canonical import canonical
from cloister.core.encoding import to_bytes
from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import RunId
from cloister.core.values import KeyRef
from cloister.jobs.asks import Ask, Lease, Priority
from cloister.jobs.turns import Used, Waiting

SCHEMA = (
    "CREATE TABLE job (run TEXT PRIMARY KEY, person TEXT NOT NULL, state TEXT NOT NULL,"
    " how TEXT NOT NULL, priority TEXT NOT NULL, cpus INTEGER NOT NULL,"
    " memory INTEGER NOT NULL, gpus INTEGER NOT NULL, pinned INTEGER NOT NULL,"
    " request BLOB NOT NULL, seal BLOB NOT NULL, wrap BLOB NOT NULL, asked TEXT NOT NULL,"
    " lease TEXT, started TEXT, requeued INTEGER NOT NULL, stopping TEXT,"
    " outcome TEXT, exit_status INTEGER, ended TEXT)",
    "CREATE INDEX job_state ON job (state)",
    "CREATE INDEX job_ended ON job (ended)",
)
QUEUED, RUNNING, ENDED = "queued", "running", "ended"
SERVICE, HERE = "service", "here"
"""Who starts it: ``cloister up``, or the command that waits for it itself."""
_STOPPED = frozenset({"failed", "interrupted"})
_A_QUESTION = 500
"""How one ends that somebody asked to stop, unless it had finished before."""


class Job(NamedTuple):
    """A run from the moment somebody asks for it."""

    run: RunId
    person: str
    state: str
    """``queued``, ``running`` or ``ended``."""
    how: str
    priority: str
    cpus: int
    memory_bytes: int
    gpus: int
    pinned: int
    request: bytes
    """What to run, sealed under the run's key."""
    seal: bytes
    wrap: bytes
    asked: str
    lease_text: str | None
    started: str | None
    requeued: int
    """How often nothing came of its turn."""
    stopping: str | None
    """Who asked it to stop."""
    outcome: str | None
    """``finished``, ``failed``, ``interrupted``, ``refused`` (it could not begin) or
    ``cancelled`` (it never did)."""
    exit_status: int | None
    ended: str | None

    @property
    def stopped(self) -> bool:
        """Whether it ended because somebody asked it to."""
        return self.stopping is not None and self.outcome in _STOPPED

    @property
    def key(self) -> KeyRef:
        """What opens the request."""
        return KeyRef(self.run, self.seal, self.wrap)

    @property
    def ask(self) -> Ask:
        """What it wants of the machine."""
        return Ask(self.cpus, self.memory_bytes, self.gpus, bool(self.pinned))

    @property
    def lease(self) -> Lease:
        """What it is lent; nothing until it has begun."""
        if self.lease_text is None:
            return Lease()
        value = json.loads(self.lease_text)
        return Lease(tuple(value["cpus"]), tuple(value["gpus"]))

    def waiting(self) -> Waiting:
        """As one that waits for its turn."""
        asked_s = _seconds(self.asked)
        return Waiting(self.run, self.person, Priority(self.priority), self.ask, asked_s)

    def used(self) -> Used:
        """As one that has, or had, a part of the machine."""
        begun_s = _seconds(self.started or self.asked)
        ended_s = None if self.ended is None else _seconds(self.ended)
        return Used(self.run, self.person, self.ask, self.lease, begun_s, ended_s)


def job_submitted(recorded: Recorded) -> Iterator[Statement]:
    """Somebody asks for a run; it waits for its turn."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO job VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " NULL, NULL, 0, NULL, NULL, NULL, NULL)",
        (
            body["run"],
            event.actor,
            body["how"],
            body["priority"],
            body["cpus"],
            body["memory"],
            body["gpus"],
            body["pinned"],
            to_bytes(body["request"]),
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            event.time,
        ),
    )


def job_started(recorded: Recorded) -> Iterator[Statement]:
    """Its turn has come: it is lent a part of the machine."""
    event, body = recorded.event, recorded.event.body
    lease = canonical({"cpus": body["cpus"], "gpus": body["gpus"]}).decode()
    yield Statement(
        "UPDATE job SET state = 'running', lease = ?, started = ? WHERE run = ?",
        (lease, event.time, body["run"]),
    )


def job_requeued(recorded: Recorded) -> Iterator[Statement]:
    """Who was to start it died before anything of it ran: it waits again."""
    yield Statement(
        "UPDATE job SET state = 'queued', lease = NULL, started = NULL,"
        " requeued = requeued + 1 WHERE run = ?",
        (recorded.event.body["run"],),
    )


def job_stopping(recorded: Recorded) -> Iterator[Statement]:
    """Somebody asked it to stop."""
    event = recorded.event
    yield Statement(
        "UPDATE job SET stopping = ? WHERE run = ? AND stopping IS NULL",
        (event.actor, event.body["run"]),
    )


def job_ended(recorded: Recorded) -> Iterator[Statement]:
    """It is over, and what it was lent is free."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "UPDATE job SET state = 'ended', outcome = ?, exit_status = ?, ended = ? WHERE run = ?",
        (body["outcome"], body["exit_status"], event.time, body["run"]),
    )


def find(tx: Transaction, run: str) -> Job | None:
    """The job of that run; None for a run that was never asked for here."""
    rows = tx.query("SELECT * FROM job WHERE run = ?", (run,))
    return _job(rows[0]) if rows else None


def stopped(tx: Transaction, runs: Sequence[str]) -> frozenset[str]:
    """Those of ``runs`` that ended because somebody asked them to."""
    found: list[Job] = []
    for at in range(0, len(runs), _A_QUESTION):
        some = runs[at : at + _A_QUESTION]
        marks = ", ".join("?" * len(some))
        sql = f"SELECT * FROM job WHERE stopping IS NOT NULL AND run IN ({marks})"  # noqa: S608
        found += [_job(row) for row in tx.query(sql, tuple(some))]
    return frozenset(job.run for job in found if job.stopped)


def beginning(tx: Transaction, start: str) -> list[Job]:
    """At most two jobs whose run begins so."""
    sql = "SELECT * FROM job WHERE run >= ? AND run < ? LIMIT 2"
    return [_job(row) for row in tx.query(sql, (start, start + "~"))]


def newest(tx: Transaction) -> list[Job]:
    """The job that was asked for last, if there is any."""
    return [_job(row) for row in tx.query("SELECT * FROM job ORDER BY asked DESC LIMIT 1")]


def recent(tx: Transaction, most: int) -> list[Job]:
    """The jobs that ended last, newest first."""
    sql = "SELECT * FROM job WHERE state = 'ended' ORDER BY ended DESC LIMIT ?"
    return [_job(row) for row in tx.query(sql, (most,))]


def alive(tx: Transaction) -> list[Job]:
    """What waits and what runs, in the order it was asked for."""
    sql = "SELECT * FROM job WHERE state IN ('queued', 'running') ORDER BY asked, run"
    return [_job(row) for row in tx.query(sql)]


def ended_since(tx: Transaction, time: str) -> list[Job]:
    """What ran and ended after ``time``."""
    sql = "SELECT * FROM job WHERE ended >= ? AND started IS NOT NULL ORDER BY ended"
    return [_job(row) for row in tx.query(sql, (time,))]


def _job(row: Row) -> Job:
    return Job._make((RunId(str(row[0])), *row[1:]))


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()

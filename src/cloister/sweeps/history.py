"""Sweeps on record: what was asked for, which trial was which run, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cloister.core.encoding import to_bytes
from cloister.core.errors import NotFound
from cloister.core.events import Projection, Recorded, Row, Statement, Transaction
from cloister.core.ids import CollectionId, RunId, SweepId
from cloister.core.values import KeyRef
from cloister.db import Migration

SCHEMA = (
    "CREATE TABLE sweep (sweep TEXT PRIMARY KEY, actor TEXT NOT NULL, state TEXT NOT NULL,"
    " why TEXT NOT NULL, stopping TEXT NOT NULL, seed INTEGER NOT NULL,"
    " project TEXT NOT NULL, experiment INTEGER NOT NULL, parent TEXT NOT NULL,"
    " definition BLOB NOT NULL,"
    " owner TEXT NOT NULL, seal BLOB NOT NULL, wrap BLOB NOT NULL, begun INTEGER NOT NULL,"
    " started TEXT NOT NULL, finished TEXT)",
    "CREATE INDEX sweep_begun ON sweep (begun)",
    "CREATE TABLE sweep_trial (sweep TEXT NOT NULL, number INTEGER NOT NULL, run TEXT NOT NULL,"
    " state TEXT NOT NULL, why TEXT NOT NULL, pruned INTEGER NOT NULL, chosen BLOB NOT NULL,"
    " value TEXT, logged INTEGER NOT NULL, tracked TEXT, started TEXT NOT NULL, finished TEXT,"
    " PRIMARY KEY (sweep, number))",
    "CREATE INDEX sweep_trial_run ON sweep_trial (run)",
)
TRIES = ("ALTER TABLE sweep_trial ADD COLUMN tries INTEGER NOT NULL DEFAULT 1",)
MIGRATIONS = (Migration("sweeps", 1, SCHEMA), Migration("sweeps", 2, TRIES))
TABLES = ("sweep", "sweep_trial")
DEFINITION = "sweep"
"""The purpose under which a definition is sealed; its context is the sweep's id."""
CHOSEN = "trial"
"""The purpose under which what a trial was given is sealed; its context is its run's id."""
RUNNING = "running"


class Sweep(NamedTuple):
    """One search."""

    sweep: SweepId
    actor: str
    state: str
    """``running``, ``finished``, ``failed``, ``stopped`` or ``interrupted``."""
    why: str
    """Of its end: ``cap``, ``grid``, ``target``, ``failures``, ``asked``, ``count``, ``killed``
    or ``away``."""
    stopping: str
    """What somebody asked for: nothing, ``gently`` or ``now``."""
    seed: int
    project: str
    experiment: int
    parent: str
    """The tracked run that those of the trials are nested in."""
    definition: bytes
    owner: CollectionId
    seal: bytes
    wrap: bytes
    begun: int
    started: str
    finished: str | None

    @property
    def key(self) -> KeyRef:
        """What opens the definition, and what each trial was given."""
        return KeyRef(self.owner, self.seal, self.wrap)


class Trial(NamedTuple):
    """One try: a run."""

    sweep: SweepId
    number: int
    run: RunId
    state: str
    """``running``, ``finished``, ``pruned``, ``failed`` or ``interrupted``."""
    why: str
    """Of a failure: ``exit``, ``killed``, ``refused``, ``no-metric`` or ``no-number``; of one
    that was interrupted: ``away`` where its machine was lost and no other was there."""
    pruned: int
    """1 once it was decided that it goes no further."""
    chosen: bytes
    value: float | None
    """The metric, as logged last."""
    logged: int
    """How often."""
    tracked: str | None
    """The tracked run that has the metric."""
    started: str
    finished: str | None
    tries: int = 1
    """How often it was begun, but for those times that its machine was lost."""


def sweep_begun(recorded: Recorded) -> Iterator[Statement]:
    """A search begins."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO sweep VALUES (?, ?, 'running', '', '',"
        " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            body["sweep"],
            event.actor,
            body["seed"],
            body["project"],
            body["experiment"],
            body["parent"],
            to_bytes(body["definition"]),
            body["owner"],
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            recorded.index,
            event.time,
        ),
    )


def sweep_resumed(recorded: Recorded) -> Iterator[Statement]:
    """One that was interrupted or stopped goes on."""
    yield Statement(
        "UPDATE sweep SET state = 'running', why = '', stopping = '', finished = NULL"
        " WHERE sweep = ?",
        (recorded.event.body["sweep"],),
    )


def sweep_stopping(recorded: Recorded) -> Iterator[Statement]:
    """Somebody asked that no more trials begin, or that those that run end too."""
    body = recorded.event.body
    yield Statement(
        "UPDATE sweep SET stopping = ? WHERE sweep = ?", (body["how"], body["sweep"])
    )


def sweep_ended(recorded: Recorded) -> Iterator[Statement]:
    """Nothing of it is left to do, or nobody is at it."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "UPDATE sweep SET state = ?, why = ?, finished = ? WHERE sweep = ?",
        (body["state"], body["why"], event.time, body["sweep"]),
    )


def trial_begun(recorded: Recorded) -> Iterator[Statement]:
    """A trial is asked for, with the run that it is."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO sweep_trial"
        " VALUES (?, ?, ?, 'running', '', 0, ?, NULL, 0, NULL, ?, NULL, 1)",
        (body["sweep"], body["number"], body["run"], to_bytes(body["chosen"]), event.time),
    )


def trial_moved(recorded: Recorded) -> Iterator[Statement]:
    """What became of its run was the machine's doing: it is another run from now on."""
    body = recorded.event.body
    yield Statement(
        "UPDATE sweep_trial SET run = ?, chosen = ?, tries = ? WHERE sweep = ? AND number = ?",
        (body["run"], to_bytes(body["chosen"]), body["tries"], body["sweep"], body["number"]),
    )


def trial_pruned(recorded: Recorded) -> Iterator[Statement]:
    """It is to go no further, for others did better; durable before it is stopped."""
    body = recorded.event.body
    yield Statement(
        "UPDATE sweep_trial SET pruned = 1 WHERE sweep = ? AND number = ?",
        (body["sweep"], body["number"]),
    )


def trial_ended(recorded: Recorded) -> Iterator[Statement]:
    """It is over, and the search has been told."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "UPDATE sweep_trial SET state = ?, why = ?, value = ?, logged = ?, tracked = ?,"
        " finished = ? WHERE sweep = ? AND number = ?",
        (
            body["state"],
            body["why"],
            body["value"],
            body["logged"],
            body["tracked"],
            event.time,
            body["sweep"],
            body["number"],
        ),
    )


PROJECTIONS: Mapping[str, Projection] = {
    "sweep.begun": sweep_begun,
    "sweep.resumed": sweep_resumed,
    "sweep.stopping": sweep_stopping,
    "sweep.ended": sweep_ended,
    "trial.begun": trial_begun,
    "trial.moved": trial_moved,
    "trial.pruned": trial_pruned,
    "trial.ended": trial_ended,
}


def find(tx: Transaction, name: str) -> Sweep:
    """By a unique beginning of its id, or ``last``; raises NotFound."""
    if name == "last":
        rows = tx.query("SELECT * FROM sweep ORDER BY begun DESC LIMIT 1", ())
    else:
        rows = tx.query(
            "SELECT * FROM sweep WHERE sweep >= ? AND sweep < ? LIMIT 2", (name, name + "~")
        )
    if len(rows) != 1:
        what = "no sweep" if not rows else "more than one sweep"
        raise NotFound(f"{what} begins with {name}", hint="see `cloister sweep ls`")
    return _sweep(rows[0])


def everything(tx: Transaction) -> list[Sweep]:
    """All of them, oldest first."""
    return [_sweep(row) for row in tx.query("SELECT * FROM sweep ORDER BY begun")]


def running(tx: Transaction) -> list[Sweep]:
    """Those whose end is not on record."""
    return [_sweep(row) for row in tx.query("SELECT * FROM sweep WHERE state = 'running'")]


def trials(tx: Transaction, sweep: str) -> list[Trial]:
    """Those of a sweep, in their order."""
    rows = tx.query("SELECT * FROM sweep_trial WHERE sweep = ? ORDER BY number", (sweep,))
    return [_trial(row) for row in rows]


def _sweep(row: Row) -> Sweep:
    return Sweep._make(
        (SweepId(str(row[0])), *row[1:10], CollectionId(str(row[10])), *row[11:])
    )


def _trial(row: Row) -> Trial:
    value = None if row[7] is None else float(row[7])
    return Trial._make(
        (SweepId(str(row[0])), row[1], RunId(str(row[2])), *row[3:7], value, *row[8:])
    )

"""How runs belong together: which replays or goes on with which, and what a replay showed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from cloister.core.encoding import to_bytes
from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import RunId
from cloister.core.values import KeyRef

SCHEMA = (
    "CREATE TABLE run_link (run TEXT PRIMARY KEY, origin TEXT NOT NULL, how TEXT NOT NULL)",
    "CREATE TABLE run_verdict (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, replay TEXT,"
    " verdict TEXT NOT NULL, cause TEXT, tolerance TEXT NOT NULL, replays INTEGER NOT NULL,"
    " erased INTEGER NOT NULL, seal BLOB NOT NULL, wrap BLOB NOT NULL, detail BLOB NOT NULL,"
    " time TEXT NOT NULL)",
    "CREATE INDEX run_verdict_run ON run_verdict (run)",
)
PURPOSE = "verdict"
"""The purpose under which what a comparison found in detail is sealed."""


class How(StrEnum):
    """Why one run exists because of another."""

    REPLAY = "replay"
    RESUME = "resume"


class Verdict(StrEnum):
    """What a replay showed."""

    IDENTICAL = "IDENTICAL"
    """The bytes of every output."""
    EQUIVALENT = "EQUIVALENT"
    """Every output, read by its format, within the tolerance declared before the replay."""
    DIFFERENT = "DIFFERENT"
    UNREPRODUCIBLE = "UNREPRODUCIBLE"
    """Data it read were erased since."""


class Link(NamedTuple):
    """A run and the one it came of."""

    run: RunId
    origin: RunId
    how: str


class Compared(NamedTuple):
    """A verdict on record."""

    place: int
    run: RunId
    replay: str | None
    verdict: str
    cause: str | None
    tolerance: str
    replays: int
    """How many were run, those that tested causes included."""
    erased: int
    seal: bytes
    wrap: bytes
    detail: bytes
    """Sealed under the key of ``run``: names of outputs and of code are the user's own."""
    time: str

    @property
    def key(self) -> KeyRef:
        """What opens the detail."""
        return KeyRef(self.run, self.seal, self.wrap)


def run_linked(recorded: Recorded) -> Iterator[Statement]:
    """A run is there because of another."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO run_link VALUES (?, ?, ?)", (body["run"], body["origin"], body["how"])
    )


def run_compared(recorded: Recorded) -> Iterator[Statement]:
    """A run was reproduced, or could not be."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO run_verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            recorded.index,
            body["run"],
            body["replay"],
            body["verdict"],
            body["cause"],
            body["tolerance"],
            body["replays"],
            body["erased"],
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            to_bytes(body["detail"]),
            event.time,
        ),
    )


def link_of(tx: Transaction, run: str) -> Link | None:
    """What ``run`` came of, if it came of another."""
    rows = tx.query("SELECT run, origin, how FROM run_link WHERE run = ?", (run,))
    return _link(rows[0]) if rows else None


def came_of(tx: Transaction, origin: str) -> list[Link]:
    """Runs that came of ``origin``, in the order they began."""
    rows = tx.query(
        "SELECT run_link.run, origin, how FROM run_link JOIN run ON run.run = run_link.run"
        " WHERE origin = ? ORDER BY run.begun",
        (origin,),
    )
    return [_link(row) for row in rows]


def verdicts(tx: Transaction, run: str) -> list[Compared]:
    """Every verdict on ``run``, oldest first."""
    rows = tx.query("SELECT * FROM run_verdict WHERE run = ? ORDER BY idx", (run,))
    return [Compared._make((row[0], RunId(row[1]), *row[2:])) for row in rows]


def standing(tx: Transaction, run: str) -> str | None:
    """What is to be said of a run beside its state: its last verdict, or what it came of."""
    found = verdicts(tx, run)
    if found:
        last = found[-1]
        return f"{last.verdict}, {last.cause}" if last.cause else last.verdict
    link = link_of(tx, run)
    return link.how if link else None


def standings(tx: Transaction, runs: Sequence[str]) -> dict[str, str]:
    """What is to be said of each of these runs, as ``standing``; as many as one query takes."""
    if not runs:
        return {}
    marks = ", ".join("?" * len(runs))
    found = dict(tx.query(f"SELECT run, how FROM run_link WHERE run IN ({marks})", runs))  # noqa: S608
    for run, verdict, cause in tx.query(
        f"SELECT run, verdict, cause FROM run_verdict WHERE run IN ({marks}) ORDER BY idx",  # noqa: S608
        runs,
    ):
        found[run] = f"{verdict}, {cause}" if cause else verdict
    return found


def _link(row: Row) -> Link:
    return Link(RunId(str(row[0])), RunId(str(row[1])), str(row[2]))

"""What people write about a run: every text is kept, and the newest is the one that holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cloister.core.encoding import to_bytes
from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import RunId
from cloister.core.values import KeyRef

SCHEMA = (
    "CREATE TABLE run_remark (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, base INTEGER,"
    " actor TEXT NOT NULL, time TEXT NOT NULL, seal BLOB NOT NULL, wrap BLOB NOT NULL,"
    " text BLOB NOT NULL)",
    "CREATE INDEX run_remark_run ON run_remark (run)",
)
PURPOSE = "remark"
"""The purpose under which a text is sealed."""


class Remark(NamedTuple):
    """One text about a run, as it was written once."""

    place: int
    run: RunId
    base: int | None
    """The entry it was written over; None for the first."""
    actor: str
    time: str
    seal: bytes
    wrap: bytes
    text: bytes
    """Sealed under the key of ``run``: what people write may name patients."""

    @property
    def key(self) -> KeyRef:
        """What opens the text."""
        return KeyRef(self.run, self.seal, self.wrap)


def run_remarked(recorded: Recorded) -> Iterator[Statement]:
    """Somebody wrote about a run."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO run_remark VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            recorded.index,
            body["run"],
            body["base"],
            event.actor,
            event.time,
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            to_bytes(body["text"]),
        ),
    )


def latest(tx: Transaction, run: str) -> Remark | None:
    """The text that holds; None where nobody wrote."""
    rows = tx.query(
        "SELECT idx, run, base, actor, time, seal, wrap, text FROM run_remark WHERE run = ?"
        " ORDER BY idx DESC LIMIT 1",
        (run,),
    )
    return _remark(rows[0]) if rows else None


def everything(tx: Transaction, run: str) -> list[Remark]:
    """All that was written about it, oldest first."""
    rows = tx.query(
        "SELECT idx, run, base, actor, time, seal, wrap, text FROM run_remark WHERE run = ?"
        " ORDER BY idx",
        (run,),
    )
    return [_remark(row) for row in rows]


def _remark(row: Row) -> Remark:
    return Remark._make((row[0], RunId(str(row[1])), *row[2:]))

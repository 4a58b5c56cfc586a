"""What happened, and the two protocols through which it becomes part of the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cloister.core.canonical import canonical

SqlValue = int | float | str | bytes | None
Row = tuple[Any, ...]
Parameters = Sequence[SqlValue] | Mapping[str, SqlValue]
"""Values for ``?`` placeholders in order, or for ``:name`` ones by name."""


@dataclass(frozen=True, slots=True)
class Event:
    """One fact: who did what, why it was allowed; the body holds ids, digests and sealed bytes.

    ``body`` holds integers, strings, lists and objects only (no floats: a hash must not
    depend on how a number is printed) and nothing readable about a subject.
    """

    type: str
    time: str
    actor: str
    reason: str
    body: Mapping[str, Any]

    def leaf(self) -> bytes:
        """The bytes the ledger hashes: canonical JSON of all fields and the format version.

        Raises BadInput for a body that a replay would not read as it was written.
        """
        return canonical(
            {
                "v": 1,
                "type": self.type,
                "time": self.time,
                "actor": self.actor,
                "reason": self.reason,
                "body": self.body,
            },
            floats=False,
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event at its place in the ledger."""

    index: int
    event: Event


@dataclass(frozen=True, slots=True)
class Statement:
    """One write to a projected table."""

    sql: str
    parameters: Parameters


class Projection(Protocol):
    """Turns one type of event into table writes: pure, deterministic, the same at every replay.

    Statements of two *neighbouring* events of one type may be reordered among each other
    (all first statements, then all second ones), so they must commute.
    """

    def __call__(self, recorded: Recorded, /) -> Iterable[Statement]:
        """The writes that make the tables say what the event says."""


def no_rows(recorded: Recorded, /) -> Iterable[Statement]:
    """The projection of an event that the ledger alone remembers: it writes no table."""
    return ()


class Transaction(Protocol):
    """One database transaction: all of it becomes durable, or none."""

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Runs one statement; gives the number of rows it changed."""

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Runs one statement for every row."""

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of one query, as of this transaction."""

    def iterate(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """The rows of one query, streamed."""


class EventSink(Protocol):
    """The one way state changes: an event, its leaf and its rows in one transaction."""

    def append(self, transaction: Transaction, events: Sequence[Event]) -> Sequence[Recorded]:
        """Adds leaves and projects them; raises, and so rolls back, if it cannot be written."""

"""All events through their projections again, into a database that nobody else touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from cloister.core.errors import CloisterError
from cloister.core.events import Projection, Recorded, Transaction
from cloister.ledger.entry import event_of
from cloister.ledger.findings import Finding, FindingKind, Findings
from cloister.ledger.projecting import project

# An event that nobody wrote may break its projection anywhere.
_PROJECTION_FAILS = (
    CloisterError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    sqlite3.Error,
)
_SLACK = timedelta(minutes=5)  # events of one commit may be stamped out of order


class Replay:
    """Builds what the tables should be, until an event cannot be replayed."""

    def __init__(
        self,
        scratch: Transaction,
        projections: Mapping[str, Projection],
        findings: Findings,
    ) -> None:
        self._scratch = scratch
        self._projections = projections
        self._findings = findings
        self._latest = ""
        self.whole = True
        """Whether every event so far was replayed: only then the tables can be compared."""

    def take(self, entries: Iterable[tuple[int, bytes]]) -> None:
        """Projects these entries, in their order."""
        if not self.whole:
            return
        recorded: list[Recorded] = []
        for index, leaf in entries:
            try:
                recorded.append(Recorded(index, event_of(leaf)))
            except CloisterError as error:
                self._give_up(index, error)
                break
        self._watch_clock(recorded)
        self._project(recorded)

    def _project(self, recorded: list[Recorded]) -> None:
        try:
            project(self._scratch, recorded, self._projections)
        except _PROJECTION_FAILS as error:
            first, last = recorded[0].index, recorded[-1].index
            self._give_up(first, error, f"one of the entries {first} to {last}")

    def _give_up(self, index: int, error: Exception, place: str | None = None) -> None:
        self.whole = False
        message = f"{place or f'entry {index}'} cannot be replayed: {_told(error)}"
        self._findings.add(Finding(FindingKind.ENTRY, message, event=index))

    def _watch_clock(self, recorded: list[Recorded]) -> None:
        """A log is ordered by its entries, not by their clocks; a leap back is worth a word."""
        for item in recorded:
            time = item.event.time
            if time >= self._latest:
                self._latest = time
            elif _leaps_back(self._latest, time):
                self._findings.warn(
                    f"entry {item.index} is dated {time}, after one dated {self._latest}: "
                    "the clock was set back, or the date is false"
                )
                self._latest = time


def _leaps_back(before: str, after: str) -> bool:
    try:
        return datetime.fromisoformat(after) + _SLACK < datetime.fromisoformat(before)
    except (ValueError, TypeError):
        return True  # not a time at all, or one without a zone


def _told(error: Exception) -> str:
    return error.message if isinstance(error, CloisterError) else type(error).__name__

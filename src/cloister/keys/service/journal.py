"""What was asked of the key service, in a chain of its own (docs/formats/key-store.md)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from cloister.core.clock import Clock, timestamp
from cloister.keys.journal import chained
from cloister.keys.service.keystore import KeyStore
from cloister.keys.values import JournalEntry

_MOST_OWNERS = 200_000  # what one message can hold with ease


@dataclass(frozen=True, slots=True)
class Request:
    """Who asked for what; owners by their random ids."""

    uid: int
    purpose: str
    verb: str
    count: int
    owners: Sequence[str]


class Journal:
    """Appends entries, each bound to the one before."""

    def __init__(self, store: KeyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def add(self, request: Request, outcome: str, *, durable: bool = False) -> None:
        """One entry; it survives a killed process, and a power failure if ``durable``."""
        with self._store.transaction(durable=durable, vital=False):
            number, before = self._store.journal_tail()
            owners = " ".join(sorted(set(request.owners)))
            fields = (
                number + 1,
                timestamp(self._clock.now()),
                request.uid,
                request.purpose,
                request.verb,
                outcome,
                request.count,
                owners,
            )
            self._store.add_journal((*fields, chained(before, fields)))

    def entries(self, after: int, limit: int) -> list[JournalEntry]:
        """Entries beyond number ``after``; fewer than ``limit`` where they name many owners."""
        entries = [
            JournalEntry(
                number=row[0],
                time=row[1],
                uid=row[2],
                purpose=row[3],
                verb=row[4],
                outcome=row[5],
                count=row[6],
                owners=tuple(row[7].split()),
                digest=row[8],
            )
            for row in self._store.journal_after(after, limit)
        ]
        sizes = itertools.accumulate(len(entry.owners) for entry in entries)
        fits = sum(size <= _MOST_OWNERS for size in sizes)
        return entries[: max(1, fits)]

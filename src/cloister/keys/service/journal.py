"""What was asked of the key service, in a chain of its own (docs/formats/key-store.md)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from cloister.core.canonical import canonical
from cloister.core.clock import Clock, timestamp
from cloister.core.errors import IntegrityError
from cloister.keys.service.keystore import KeyStore
from cloister.keys.values import JournalEntry

_MARK = b"cloister journal v1"


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
        self._lock = threading.Lock()

    def add(self, request: Request, outcome: str, *, durable: bool = False) -> None:
        """One entry; it survives a killed process, and a power failure if ``durable``."""
        with self._lock, self._store.transaction(durable=durable):
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
        """Entries beyond number ``after``."""
        return [
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


def chained(before: bytes, fields: Sequence[object]) -> bytes:
    """The digest of an entry: SHA-256 over the digest before and the entry's own fields."""
    return hashlib.sha256(_MARK + before + canonical(list(fields))).digest()


def check(entries: Sequence[JournalEntry], before: bytes = b"") -> bytes:
    """The digest of the last entry; raises IntegrityError naming the first that was altered."""
    for entry in entries:
        fields = (
            entry.number,
            entry.time,
            entry.uid,
            entry.purpose,
            entry.verb,
            entry.outcome,
            entry.count,
            " ".join(entry.owners),
        )
        if chained(before, fields) != entry.digest:
            raise IntegrityError(f"key service journal: entry {entry.number} was altered")
        before = entry.digest
    return before

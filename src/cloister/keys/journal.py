"""Checks the key service's journal: each entry is bound to the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cloister.core.canonical import canonical
from cloister.core.errors import IntegrityError
from cloister.keys.values import JournalEntry

_MARK = b"cloister journal v1"


def chained(before: bytes, fields: Sequence[object]) -> bytes:
    """The digest of an entry: SHA-256 over the digest before and the entry's own fields."""
    return hashlib.sha256(_MARK + before + canonical(list(fields))).digest()


def check_journal(
    entries: Sequence[JournalEntry], number: int = 0, before: bytes = b""
) -> tuple[int, bytes]:
    """Number and digest of the last entry, which the next call takes to go on from there.

    Raises IntegrityError naming the first entry that was altered, dropped or put elsewhere.
    """
    for entry in entries:
        number += 1
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
        if entry.number != number or chained(before, fields) != entry.digest:
            raise IntegrityError(f"key service journal: entry {number} was altered or dropped")
        before = entry.digest
    return number, before

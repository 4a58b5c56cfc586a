"""The index again, from what the blobs say of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloister.core.errors import IntegrityError, NotFound
from cloister.core.events import Transaction
from cloister.db import Database
from cloister.store import placements as index
from cloister.store.backend import Backend
from cloister.store.check import claimed_entries
from cloister.store.layout import NAMESPACES
from cloister.store.placements import Placement
from cloister.store.reader import read_object

_BATCH = 20_000


def rebuild(backend: Backend, database: Database) -> int:
    """Adds missing rows and corrects wrong ones; gives their number.

    A row that leads to sound bytes stays. A pack whose table is damaged is passed over: a
    scrub names it. Objects that were never placed, or were discarded, come back as well;
    nothing refers to them.
    """
    return sum(
        database.write(lambda tx, some=some: _merge(backend, tx, some))  # type: ignore[misc]
        for some in _claimed(backend)
    )


def _claimed(backend: Backend) -> Iterator[list[Placement]]:
    batch: list[Placement] = []
    for namespace in NAMESPACES:
        for key in backend.list(f"{namespace}/"):
            batch += _claims(backend, key)
            if len(batch) >= _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _claims(backend: Backend, key: str) -> list[Placement]:
    try:
        entries = claimed_entries(backend, key)
    except (IntegrityError, NotFound):
        return []
    return [Placement(key, e.start_byte, e.size_bytes, e.name) for e in entries]


def _merge(backend: Backend, tx: Transaction, claimed: Sequence[Placement]) -> int:
    present = index.find(tx, [placement.name for placement in claimed])
    missing = {p.name: p for p in reversed(claimed) if p.name not in present}
    index.insert(tx, missing.values())
    wrong = [
        p
        for p in claimed
        if present.get(p.name, p) != p and not _leads_to_it(backend, present[p.name])
    ]
    for placement in wrong:
        index.replace(tx, placement)
    return len(missing) + len(wrong)


def _leads_to_it(backend: Backend, placement: Placement) -> bool:
    try:
        read_object(backend, placement)
    except IntegrityError:
        return False
    return True

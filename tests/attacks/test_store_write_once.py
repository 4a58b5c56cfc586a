"""Claim: no interface changes or removes raw data before its retention ends.

The attacker is an administrator with the store object and the backend in hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, Conflict, WriteOnce
from cloister.store import FileBackend
from cloister.store.layout import SMALL_BYTES
from cloister.testing.clock import ManualClock
from tests.store.small_store import SmallStore, small_store

OBJECTS = (b"a scan, sealed", b"L" * SMALL_BYTES)
YEAR = timedelta(days=365)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def lab(tmp_path: Path, clock: ManualClock) -> Iterator[SmallStore]:
    with small_store(tmp_path / "lab", clock) as opened:
        yield opened


@pytest.fixture
def names(lab: SmallStore) -> list[str]:
    return lab.keep(OBJECTS)


def whole(lab: SmallStore, names: list[str]) -> bool:
    return dict(lab.store.read_many(names)) == dict(zip(names, OBJECTS, strict=True))


def test_overwriting_is_refused(lab: SmallStore, names: list[str]) -> None:
    for placement in lab.placements():
        assert not lab.backend.put_if_absent(placement.blob, [b"other bytes"])
        assert not lab.backend.put_if_absent(lambda p=placement: p.blob, [b"other bytes"])
    assert whole(lab, names)


def test_deleting_is_refused(lab: SmallStore, clock: ManualClock, names: list[str]) -> None:
    clock.advance(9 * YEAR)
    for placement in lab.placements():
        with pytest.raises(WriteOnce):
            lab.backend.delete(placement.blob)
        with pytest.raises(WriteOnce):
            FileBackend.open(lab.folder / "store", clock).delete(placement.blob)
    assert whole(lab, names)


def test_discarding_is_refused(lab: SmallStore, clock: ManualClock, names: list[str]) -> None:
    clock.advance(9 * YEAR)
    for name in names:
        with pytest.raises(WriteOnce):
            lab.database.write(lambda tx, name=name: lab.store.discard(tx, [name]))
    lab.store.collect()
    assert whole(lab, names)


def test_a_retention_cannot_be_brought_forward(
    lab: SmallStore, clock: ManualClock, names: list[str]
) -> None:
    blobs = [placement.blob for placement in lab.placements()]
    lab.backend.retain(blobs, clock.now() - YEAR)
    lab.backend.retain(blobs, clock.now() + timedelta(seconds=1))
    clock.advance(9 * YEAR)
    for blob in blobs:
        with pytest.raises(WriteOnce):
            lab.backend.delete(blob)
    assert whole(lab, names)


def test_the_retention_log_is_out_of_reach_of_every_verb(
    lab: SmallStore, clock: ManualClock, names: list[str]
) -> None:
    for key in (".retention", ".retention.lock", "raw/../.retention", "./.retention"):
        with pytest.raises(BadInput):
            lab.backend.delete(key)
        with pytest.raises(BadInput):
            lab.backend.put_if_absent(key, [b""])
        with pytest.raises(BadInput):
            lab.backend.get(key, 0, 1)
    assert not any(key.startswith(".") for key in lab.backend.list(""))


def test_losing_the_index_makes_nothing_collectable(
    lab: SmallStore, clock: ManualClock, names: list[str]
) -> None:
    lab.sql("DELETE FROM placement")
    clock.advance(9 * YEAR)
    assert lab.store.collect().blobs == 0
    lab.store.rebuild_placements()
    assert whole(lab, names)


def test_losing_the_retention_log_does_not_free_what_is_placed(
    lab: SmallStore, clock: ManualClock, names: list[str]
) -> None:
    (lab.folder / "store/.retention").unlink()
    with small_store(lab.folder, clock) as again:
        clock.advance(9 * YEAR)
        with pytest.raises(WriteOnce):
            again.database.write(lambda tx: again.store.discard(tx, names))
        again.store.collect()
        assert whole(again, names)


def test_pinned_objects_are_not_discarded(lab: SmallStore) -> None:
    names = lab.keep([b"an output"], "derived")
    lab.database.write(lambda tx: lab.store.pin(tx, names, "run_a"))
    with pytest.raises(Conflict):
        lab.database.write(lambda tx: lab.store.discard(tx, names))
    lab.database.write(lambda tx: lab.store.hold(tx, names, "court order"))
    lab.database.write(lambda tx: lab.store.unpin(tx, "run_a"))
    with pytest.raises(WriteOnce):
        lab.database.write(lambda tx: lab.store.discard(tx, names))
    assert lab.store.read(names[0]) == b"an output"


def test_blobs_are_read_only_files(lab: SmallStore, names: list[str]) -> None:
    for placement in lab.placements():
        assert lab.path(placement.blob).stat().st_mode & 0o777 == 0o400

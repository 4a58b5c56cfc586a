"""Nothing that is in use, young or retained is ever collected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, Conflict, NotFound, WriteOnce
from cloister.store import Namespace
from cloister.testing.backend import MemoryBackend
from cloister.testing.clock import ManualClock
from tests.store.small_store import SmallStore, small_store

DAY = timedelta(days=1)


@pytest.fixture
def lab(tmp_path: Path, clock: ManualClock) -> Iterator[SmallStore]:
    with small_store(tmp_path / "lab", clock, MemoryBackend(clock)) as opened:
        yield opened


def forget(lab: SmallStore, sealed: bytes, namespace: Namespace = "raw") -> str:
    """Flushes an object, and never places it; gives its blob."""
    with lab.store.writer(namespace) as writer:
        writer.add(sealed)
        (placement,) = writer.flush()
    return placement.blob


def discard(lab: SmallStore, *names: str) -> None:
    lab.database.write(lambda tx: lab.store.discard(tx, names))


def test_what_nobody_placed_is_listed(lab: SmallStore, clock: ManualClock) -> None:
    lab.keep([b"placed"])
    left = {forget(lab, b"left"), forget(lab, b"left too", "derived")}
    orphans = list(lab.store.orphans())
    assert {orphan.blob for orphan in orphans} == left
    assert {orphan.written for orphan in orphans} == {clock.now()}
    assert all(orphan.size_bytes > 0 for orphan in orphans)


def test_orphans_are_collected_after_a_day(lab: SmallStore, clock: ManualClock) -> None:
    names = lab.keep([b"placed"]) + lab.keep([b"made"], "derived")
    forget(lab, b"left")
    forget(lab, b"left", "derived")
    clock.advance(timedelta(hours=23))
    young = forget(lab, b"young")
    clock.advance(timedelta(hours=2))
    collected = lab.store.collect()
    assert (collected.blobs, collected.kept) == (2, 1)
    assert collected.size_bytes > 0
    assert [orphan.blob for orphan in lab.store.orphans()] == [young]
    assert len(dict(lab.store.read_many(names))) == 2
    with pytest.raises(BadInput, match="a day"):
        lab.store.collect(older_than=timedelta(hours=1))


def test_discarded_objects_go_when_their_pack_is_empty(
    lab: SmallStore, clock: ManualClock
) -> None:
    one, two = lab.keep([b"one", b"two"], "derived")
    clock.advance(2 * DAY)
    discard(lab, one)
    with pytest.raises(NotFound):
        lab.store.read(one)
    assert lab.store.collect().blobs == 0
    assert lab.store.read(two) == b"two"
    discard(lab, two)
    assert lab.store.collect().blobs == 1
    assert list(lab.backend.list("")) == []


def test_raw_objects_cannot_be_discarded_until_their_retention_ends(
    lab: SmallStore, clock: ManualClock
) -> None:
    (name,) = lab.keep([b"scan"])
    for _ in range(2):
        with pytest.raises(WriteOnce):
            discard(lab, name)
        assert lab.store.read(name) == b"scan"
        clock.advance(timedelta(days=1800))
    clock.advance(timedelta(days=100))
    discard(lab, name)
    assert lab.store.collect().blobs == 1


def test_pinned_objects_stay_until_every_owner_lets_go(
    lab: SmallStore, clock: ManualClock
) -> None:
    (name,) = lab.keep([b"output"], "derived")
    write = lab.database.write
    for owner in ("run_a", "run_b", "run_b"):
        write(lambda tx, owner=owner: lab.store.pin(tx, [name], owner))
    for owner in ("run_a", "run_b"):
        with pytest.raises(Conflict, match="in use"):
            discard(lab, name)
        write(lambda tx, owner=owner: lab.store.unpin(tx, owner))
    discard(lab, name)


def test_a_legal_hold_outlasts_pins(lab: SmallStore) -> None:
    (name,) = lab.keep([b"evidence"], "derived")
    lab.database.write(lambda tx: lab.store.hold(tx, [name], "court order"))
    lab.database.write(lambda tx: lab.store.hold(tx, [name], "court order, extended"))
    lab.database.write(lambda tx: lab.store.unpin(tx, "anybody"))
    with pytest.raises(WriteOnce, match="legal hold"):
        discard(lab, name)
    lab.database.write(lambda tx: lab.store.release(tx, [name]))
    discard(lab, name)


def test_one_that_may_not_be_discarded_keeps_all(lab: SmallStore) -> None:
    free, pinned = lab.keep([b"free", b"pinned"], "derived")
    lab.database.write(lambda tx: lab.store.pin(tx, [pinned], "run_a"))
    with pytest.raises(Conflict):
        discard(lab, free, pinned)
    assert lab.store.exists(free)


def test_pinned_and_held_orphans_are_not_collected(lab: SmallStore, clock: ManualClock) -> None:
    for number, keep in enumerate((lab.store.pin, lab.store.hold)):
        with lab.store.writer("derived") as writer:
            name = writer.add(b"%d" % number)
            writer.flush()
        lab.database.write(lambda tx, keep=keep, name=name: keep(tx, [name], "bat_long"))
    clock.advance(2 * DAY)
    collected = lab.store.collect()
    assert (collected.blobs, collected.kept) == (0, 2)


def test_retained_orphans_are_not_collected(lab: SmallStore, clock: ManualClock) -> None:
    blob = forget(lab, b"retained, then its transaction failed")
    lab.backend.retain([blob], clock.now() + 10 * DAY)
    clock.advance(2 * DAY)
    assert lab.store.collect().kept == 1
    clock.advance(10 * DAY)
    assert lab.store.collect().blobs == 1


def test_what_is_being_placed_meanwhile_is_not_collected(
    lab: SmallStore, clock: ManualClock
) -> None:
    with lab.store.writer("derived") as writer:
        name = writer.add(b"slow add")
        placements = writer.flush()
    clock.advance(2 * DAY)
    found = lab.store.orphans()
    assert next(found).blob == placements[0].blob
    lab.place(placements)
    assert lab.store.collect().blobs == 0
    assert lab.store.read(name) == b"slow add"

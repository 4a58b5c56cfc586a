"""Scrub and rebuild: what is damaged is named, what is sound is counted, nothing stops."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cloister.core.errors import NotFound
from cloister.store.layout import SMALL_BYTES
from tests.store.small_store import SmallStore

CHANCE = random.Random(11)


@pytest.fixture
def names(lab: SmallStore) -> list[str]:
    """Three packs and two large objects in both namespaces."""
    made = [lab.keep([CHANCE.randbytes(200) for _ in range(20)]) for _ in range(2)]
    made.append(lab.keep([CHANCE.randbytes(200) for _ in range(20)], "derived"))
    made.append(lab.keep([CHANCE.randbytes(SMALL_BYTES + 5)]))
    made.append(lab.keep([CHANCE.randbytes(SMALL_BYTES + 5)], "derived"))
    return [name for some in made for name in some]


def damage(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x40
    path.chmod(0o600)
    path.write_bytes(content)


def test_a_sound_store_is_counted_with_progress(lab: SmallStore, names: list[str]) -> None:
    steps: list[tuple[int, int]] = []
    report = lab.store.scrub(lambda done, total: steps.append((done, total)))
    assert (report.blobs, report.objects, report.unplaced) == (5, 62, 0)
    assert (report.problems, report.findings, report.first) == (0, (), None)
    assert report.size_bytes == sum(
        lab.backend.stat(b).size_bytes for b in lab.backend.list("")
    )
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1] == sum(p.size_bytes for p in lab.placements())


def test_an_empty_store_is_sound(lab: SmallStore) -> None:
    report = lab.store.scrub()
    assert (report.blobs, report.objects, report.problems) == (0, 0, 0)


def test_damaged_objects_are_named_and_the_others_counted(
    lab: SmallStore, names: list[str]
) -> None:
    hurt = [lab.placement(name) for name in (names[3], names[50], names[60])]
    for placement in hurt:
        damage(lab.path(placement.blob), placement.start_byte + 7)
    report = lab.store.scrub()
    found = {(finding.blob, finding.name) for finding in report.findings}
    assert found == {(placement.blob, placement.name) for placement in hurt}
    assert (report.problems, report.objects) == (3, 59)
    assert report.first == report.findings[0]


def test_a_pack_without_its_table_is_named_and_its_objects_checked_alone(
    lab: SmallStore, names: list[str]
) -> None:
    first, second = lab.placement(names[0]), lab.placement(names[1])
    damage(lab.path(first.blob), -1)
    damage(lab.path(second.blob), second.start_byte)
    report = lab.store.scrub()
    assert [(f.blob, f.name) for f in report.findings] == [
        (first.blob, None),
        (first.blob, second.name),
    ]
    assert (report.blobs, report.objects) == (5, 61)


def test_missing_blobs_are_missed_object_by_object(lab: SmallStore, names: list[str]) -> None:
    blob = lab.placement(names[0]).blob
    lab.path(blob).unlink()
    report = lab.store.scrub()
    assert {finding.name for finding in report.findings} == set(names[:20])
    assert {finding.blob for finding in report.findings} == {blob}
    assert (report.objects, report.problems) == (42, 20)


def test_objects_without_a_row_are_counted_as_unplaced(
    lab: SmallStore, names: list[str]
) -> None:
    lab.sql("DELETE FROM placement WHERE name = ?", names[0])
    report = lab.store.scrub()
    assert (report.unplaced, report.problems) == (1, 0)


def test_a_lost_index_is_rebuilt_to_the_same_rows(lab: SmallStore, names: list[str]) -> None:
    before = lab.placements()
    lab.sql("DELETE FROM placement")
    assert lab.store.rebuild_placements() == 62
    assert lab.placements() == before
    assert lab.store.rebuild_placements() == 0


def test_wrong_rows_are_corrected_and_right_ones_left(
    lab: SmallStore, names: list[str]
) -> None:
    before = lab.placements()
    lab.sql("UPDATE placement SET start_byte = start_byte + 1 WHERE name = ?", names[5])
    lab.sql("UPDATE placement SET blob = 'raw/packs/gone' WHERE name = ?", names[6])
    lab.sql("DELETE FROM placement WHERE name = ?", names[7])
    assert lab.store.rebuild_placements() == 3
    assert lab.placements() == before


def test_an_object_in_two_blobs_keeps_the_place_it_has(lab: SmallStore) -> None:
    (name,) = lab.keep([b"twice"])
    kept = lab.placement(name)
    for other in (b"a", b"b", b"c", b"d"):
        lab.keep([b"twice", other])
    assert len(list(lab.backend.list("raw/"))) == 5
    assert lab.store.rebuild_placements() == 0
    assert lab.placement(name) == kept


def test_a_pack_with_a_damaged_table_does_not_stop_a_rebuild(
    lab: SmallStore, names: list[str]
) -> None:
    damage(lab.path(lab.placement(names[0]).blob), -20)
    lab.sql("DELETE FROM placement")
    assert lab.store.rebuild_placements() == 42
    with pytest.raises(NotFound):
        lab.store.read(names[0])
    assert lab.store.read(names[30])

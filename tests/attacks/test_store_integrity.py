"""Claim: a changed, swapped, cut, removed or misdirected object never passes for the real one.

The attacker is root on the storage box: writes any file and any row, and holds no key.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.core.errors import IntegrityError, Tampered
from cloister.store.layout import SMALL_BYTES
from tests.store.small_store import SmallStore, small_store

CHANCE = random.Random(5)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SmallStore]:
    with small_store(tmp_path / "lab") as opened:
        yield opened


@pytest.fixture
def small(lab: SmallStore) -> list[str]:
    return lab.keep([CHANCE.randbytes(150) for _ in range(4)])


@pytest.fixture
def large(lab: SmallStore) -> list[str]:
    return lab.keep([CHANCE.randbytes(SMALL_BYTES + 100) for _ in range(2)])


def overwrite(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def refused(lab: SmallStore, name: str) -> None:
    """No way of reading gives out the object."""
    with pytest.raises(IntegrityError):
        lab.store.read(name)
    with pytest.raises(IntegrityError):
        list(lab.store.read_many([name]))


def test_any_flipped_byte_of_a_pack_is_noticed(lab: SmallStore, small: list[str]) -> None:
    rows = lab.placements()
    path = lab.path(rows[0].blob)
    content = path.read_bytes()
    for at in range(len(content)):
        overwrite(path, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        report = lab.store.scrub()
        assert report.problems, f"scrub missed byte {at}"
        hit = [p for p in rows if p.start_byte <= at < p.start_byte + p.size_bytes]
        assert [finding.name for finding in report.findings] == [p.name for p in hit] or not hit
        for placement in hit:
            refused(lab, placement.name)
            with pytest.raises(Tampered):
                lab.store.open(placement.name)


def test_any_flipped_byte_of_a_large_object_is_noticed(
    lab: SmallStore, large: list[str]
) -> None:
    placement = lab.placement(large[0])
    path = lab.path(placement.blob)
    content = path.read_bytes()
    for at in (0, 1, len(content) // 2, len(content) - 1):
        overwrite(path, content[:at] + bytes([content[at] ^ 0x80]) + content[at + 1 :])
        refused(lab, large[0])
        report = lab.store.scrub()
        assert [(f.blob, f.name) for f in report.findings] == [(placement.blob, large[0])]


def test_two_swapped_blobs_are_both_noticed(lab: SmallStore, large: list[str]) -> None:
    one, two = (lab.path(lab.placement(name).blob) for name in large)
    aside = one.with_suffix(".aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    for name in large:
        refused(lab, name)
    assert {finding.name for finding in lab.store.scrub().findings} == set(large)


def test_two_swapped_packs_are_both_noticed(lab: SmallStore) -> None:
    names = [lab.keep([CHANCE.randbytes(150)])[0] for _ in range(2)]
    one, two = (lab.path(lab.placement(name).blob) for name in names)
    contents = one.read_bytes(), two.read_bytes()
    overwrite(one, contents[1])
    overwrite(two, contents[0])
    for name in names:
        refused(lab, name)
    findings = lab.store.scrub().findings
    assert {finding.name for finding in findings if finding.name} == set(names)
    lab.sql("DELETE FROM placement")
    assert lab.store.rebuild_placements() == 0, "a pack under another's name was believed"


def test_two_objects_swapped_inside_a_pack_are_noticed(
    lab: SmallStore, small: list[str]
) -> None:
    one, two = (lab.placement(name) for name in small[:2])
    path = lab.path(one.blob)
    content = bytearray(path.read_bytes())
    first = content[one.start_byte : one.start_byte + 150]
    content[one.start_byte : one.start_byte + 150] = content[
        two.start_byte : two.start_byte + 150
    ]
    content[two.start_byte : two.start_byte + 150] = first
    overwrite(path, bytes(content))
    for name in small[:2]:
        refused(lab, name)
    assert len(dict(lab.store.read_many(small[2:]))) == 2


@pytest.mark.parametrize("keep", [0, 10, -21, -1])
def test_a_truncated_blob_is_noticed(
    lab: SmallStore, small: list[str], large: list[str], keep: int
) -> None:
    for name in (small[-1], large[0]):
        path = lab.path(lab.placement(name).blob)
        overwrite(path, path.read_bytes()[:keep])
    refused(lab, large[0])
    if keep >= 0:
        refused(lab, small[-1])
    assert len({finding.blob for finding in lab.store.scrub().findings}) == 2


def test_a_removed_blob_is_noticed(lab: SmallStore, small: list[str], large: list[str]) -> None:
    for name in (small[0], large[0]):
        lab.path(lab.placement(name).blob).unlink()
    for name in (*small, large[0]):
        refused(lab, name)
    assert {f.name for f in lab.store.scrub().findings} == {*small, large[0]}


def test_a_row_that_leads_to_another_object_is_noticed(
    lab: SmallStore, small: list[str], large: list[str]
) -> None:
    other = lab.placement(small[1])
    lab.sql(
        "UPDATE placement SET start_byte = ?, size_bytes = ? WHERE name = ?",
        other.start_byte,
        other.size_bytes,
        small[0],
    )
    lab.sql(
        "UPDATE placement SET blob = ? WHERE name = ?", lab.placement(large[1]).blob, large[0]
    )
    for name in (small[0], large[0]):
        refused(lab, name)
    assert {finding.name for finding in lab.store.scrub().findings} == {small[0], large[0]}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("start_byte", -1),
        ("start_byte", 2**62),
        ("size_bytes", -5),
        ("size_bytes", 2**62),
        ("size_bytes", 0),
        ("blob", "../../../etc/passwd"),
        ("blob", "/etc/passwd"),
        ("blob", "raw/packs"),
        ("blob", ""),
        ("name", "0" * 64),
    ],
)
def test_a_senseless_row_is_damage_and_no_crash(
    lab: SmallStore, small: list[str], column: str, value: str | int
) -> None:
    lab.sql(f"UPDATE placement SET {column} = ? WHERE name = ?", value, small[0])
    name = str(value) if column == "name" else small[0]
    refused(lab, name)
    assert name in {finding.name for finding in lab.store.scrub().findings}
    assert len(dict(lab.store.read_many(small[1:]))) == 3


def test_a_forged_pack_cannot_make_a_rebuild_prefer_it(
    lab: SmallStore, small: list[str]
) -> None:
    """It is consistent in itself and names our objects, over other bytes."""
    path = lab.path(lab.placements()[0].blob)
    content = bytearray(path.read_bytes())
    content[16:20] = b"evil"
    forged = path.parent.parent / "00" / path.name
    forged.parent.mkdir()
    forged.write_bytes(content)
    before = lab.placements()
    lab.store.rebuild_placements()
    assert lab.placements() == before
    assert len(dict(lab.store.read_many(small))) == 4
    assert {finding.blob for finding in lab.store.scrub().findings} == {
        f"raw/packs/00/{path.name}"
    }


def test_damage_far_inside_a_hundred_thousand_objects_is_named(lab: SmallStore) -> None:
    names = lab.keep([number.to_bytes(40, "big") for number in range(100_000)])
    placement = lab.placement(names[77_777])
    path = lab.path(placement.blob)
    content = bytearray(path.read_bytes())
    content[placement.start_byte] ^= 1
    overwrite(path, bytes(content))
    report = lab.store.scrub()
    assert (report.objects, report.problems) == (99_999, 1)
    assert report.first is not None
    assert (report.first.blob, report.first.name) == (placement.blob, placement.name)

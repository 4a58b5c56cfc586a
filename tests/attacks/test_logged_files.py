"""Attacks on the files that scripts log: from beside, from another fence, on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.workflows.tracking import artifacts
from tests.tracking.sealing import SealingLab, sealing_lab


@pytest.fixture(scope="module")
def lab() -> Iterator[SealingLab]:
    with sealing_lab() as made:
        yield made


def test_no_path_leads_out_of_its_folder(lab: SealingLab) -> None:
    visit = lab.visit()
    mine, other = lab.run(visit), lab.run(visit)
    artifacts.put(visit, f"{other}/secret", [b"x"])
    run = other.split("/")[1]
    for path in (f"../../{run}/artifacts/secret", "a/../../../b", "..", "a\0"):
        for reach in (
            artifacts.get,
            artifacts.remove,
            lambda v, a: artifacts.put(v, a, [b"y"]),
        ):
            with pytest.raises((BadInput, NotFound)):
                reach(visit, f"{mine}/{path}")
    assert b"".join(artifacts.get(visit, f"{other}/secret").chunks) == b"x"


def test_another_run_of_the_fence_reaches_nothing(lab: SealingLab) -> None:
    first, second = lab.fenced(), lab.fenced()
    root = lab.run(first)
    artifacts.put(first, f"{root}/weights", [b"patients" * 1000])
    for reach in (
        artifacts.get,
        artifacts.remove,
        artifacts.entries,
        lambda v, a: artifacts.put(v, a, [b"forged"]),
    ):
        with pytest.raises(NotFound):
            reach(second, f"{root}/weights")
    assert b"".join(artifacts.get(first, f"{root}/weights").chunks) == b"patients" * 1000


def test_who_may_not_read_data_does_not_read_what_a_fence_kept_in(lab: SealingLab) -> None:
    fenced = lab.fenced()
    root = lab.run(fenced)
    artifacts.put(fenced, f"{root}/weights", [b"patients"])
    with pytest.raises(NotAllowed):
        artifacts.get(lab.visit("researcher"), f"{root}/weights")


def test_the_disk_holds_no_plaintext_of_a_file(lab: SealingLab) -> None:
    visit, canary = lab.visit(), os.urandom(32).hex().encode()
    root = lab.run(visit)
    artifacts.put(visit, f"{root}/small", [canary * 100])
    artifacts.put(visit, f"{root}/large", [canary * (1 << 15)] * 3)
    files = [path for path in lab.folder.rglob("*") if path.is_file()]
    assert any(path.stat().st_size > 3 << 20 for path in files)
    assert [path.name for path in files if canary in path.read_bytes()] == []


def test_a_reading_is_on_record_before_its_first_byte(lab: SealingLab) -> None:
    visit = lab.visit()
    root = lab.run(visit)
    for size in (10, 3 << 20):
        artifacts.put(visit, f"{root}/f", [b"x" * size])
        before = lab.rows("read")
        next(artifacts.get(visit, f"{root}/f").chunks)
        assert lab.rows("read") == before + 1

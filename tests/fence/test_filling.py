"""Files that a job is shown: whatever a path says, nothing is written outside the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.core.errors import Tampered
from cloister.fence import File, Folder


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "inside").mkdir()
    descriptor = os.open(tmp_path / "inside", os.O_RDONLY | os.O_DIRECTORY)
    with Folder(descriptor) as made:
        yield made
    os.close(descriptor)


FORGED = ["../out", "a/../../out", "/out", "..", ".", "", "a//b", "a/", "a/./b", "a\0b"]


@pytest.mark.parametrize("path", FORGED)
def test_a_forged_path_is_refused(tmp_path: Path, target: Folder, path: str) -> None:
    with pytest.raises(Tampered):
        target.write(File(path, [b"x"]))
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["inside"]


def test_two_records_of_one_path_are_refused(target: Folder) -> None:
    target.write(File("a/b", [b"x"]))
    for path in ("a/b", "a", "a/b/c"):
        with pytest.raises(Tampered):
            target.write(File(path, [b"y"]))


def test_links_put_there_meanwhile_are_not_followed(tmp_path: Path, target: Folder) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "inside/a").symlink_to(tmp_path / "out")
    (tmp_path / "inside/b").symlink_to(tmp_path / "out/b")
    for path in ("a/x", "b"):
        with pytest.raises((Tampered, OSError)):
            target.write(File(path, [b"x"]))
    assert list((tmp_path / "out").iterdir()) == []


def test_names_of_any_bytes_are_kept(tmp_path: Path, target: Folder) -> None:
    name = os.fsdecode(b"M\xfcller\n.txt")
    target.write(File(f"{name}/{name}", [b"x", b"y"], 1_000_000_007))
    path = tmp_path / "inside" / name / name
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (b"xy", 1_000_000_007)

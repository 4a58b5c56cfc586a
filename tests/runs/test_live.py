"""The live log: sealed frames, in order, of one run, for as long as its key is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.core.errors import Tampered
from cloister.core.ids import RunId
from cloister.core.values import KeyGrant, KeyRef
from cloister.runs.live import Frame, Kind, LiveReader, LiveWriter

GOLDEN = Path(__file__).parent.parent / "golden/live-log-1.bin"
RUN, OTHER = RunId("run_aaaaaaaaaaaaaaaa"), RunId("run_bbbbbbbbbbbbbbbb")
GRANT = KeyGrant(RUN, bytes(range(16)), bytes(range(32)), b"wrap" * 15)
SAID = [
    Frame(Kind.OUT, b"epoch 1\n"),
    Frame(Kind.ERR, b"warning: caf\xe9\n"),
    Frame(Kind.REPORT, b'{"notes":[],"value":null}'),
]


def opened(path: Path, run: RunId = RUN, key: bytes | None = GRANT.object_key) -> LiveReader:
    def open_key(ref: KeyRef) -> bytes | None:
        assert ref == KeyRef(run, GRANT.seal_id, GRANT.wrap)
        return key

    return LiveReader(run, os.open(path, os.O_RDONLY), open_key)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Path, LiveWriter]]:
    path = tmp_path / "log"
    with path.open("ab", buffering=0) as file:
        yield path, LiveWriter(RUN, GRANT, file, 1000)


def test_frames_are_read_as_they_are_written(log: tuple[Path, LiveWriter]) -> None:
    path, writer = log
    reader = opened(path)
    assert list(reader.frames()) == []
    writer.begin()
    assert list(reader.frames()) == []
    for one in SAID:
        writer.add(one.kind, one.content)
        assert list(reader.frames()) == [one]
    assert not reader.ended
    writer.add(Kind.END, b"")
    assert list(reader.frames()) == []
    assert reader.ended


def test_what_was_read_before_is_passed_over_by_its_length(
    log: tuple[Path, LiveWriter],
) -> None:
    path, writer = log
    writer.begin()
    for size in (10, 20, 30):
        writer.add(Kind.OUT, b"z" * size)
    for asked, passed, rest in (
        (0, 0, 60),
        (9, 0, 60),
        (10, 10, 50),
        (35, 30, 30),
        (99, 60, 0),
    ):
        reader = opened(path)
        assert reader.skip(asked) == passed
        assert sum(len(one.content) for one in reader.frames()) == rest


def test_half_a_frame_is_waited_for(log: tuple[Path, LiveWriter], tmp_path: Path) -> None:
    path, writer = log
    writer.begin()
    writer.add(Kind.OUT, b"x" * 100)
    whole, part = path.read_bytes(), tmp_path / "part"
    for size in range(len(whole)):
        part.write_bytes(whole[:size])
        reader = opened(part)
        assert list(reader.frames()) == []
    part.write_bytes(whole)
    assert list(reader.frames()) == [Frame(Kind.OUT, b"x" * 100)]


def test_what_was_changed_moved_or_of_another_run_does_not_open(
    log: tuple[Path, LiveWriter], tmp_path: Path
) -> None:
    path, writer = log
    writer.begin()
    begins = path.stat().st_size
    writer.add(Kind.OUT, b"first")
    second = path.stat().st_size
    writer.add(Kind.OUT, b"other")
    whole, bad = path.read_bytes(), tmp_path / "bad"
    swapped = whole[:begins] + whole[second:] + whole[begins:second]
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    for content in (swapped, flipped, b"no live log at all!!" * 9):
        bad.write_bytes(content)
        with pytest.raises(Tampered):
            list(opened(bad).frames())
    with pytest.raises(Tampered):
        list(opened(path, OTHER).frames())
    assert b"first" not in whole


def test_a_destroyed_key_leaves_nothing_to_read(log: tuple[Path, LiveWriter]) -> None:
    path, writer = log
    writer.begin()
    writer.add(Kind.OUT, b"first")
    reader = opened(path, key=None)
    assert list(reader.frames()) == []
    assert reader.erased


def test_too_much_is_not_added_but_the_end_is(log: tuple[Path, LiveWriter]) -> None:
    path, writer = log
    writer.begin()
    for _ in range(5):
        writer.add(Kind.OUT, b"y" * 600)
    writer.add(Kind.REPORT, b"{}")
    kinds = [one.kind for one in opened(path).frames()]
    assert kinds == [Kind.OUT, Kind.OUT, Kind.REPORT]


def test_a_full_disk_ends_the_log_and_nothing_else() -> None:
    with open("/dev/full", "ab", buffering=0) as full:
        writer = LiveWriter(RUN, GRANT, full, 1000)
        writer.begin()
        writer.add(Kind.OUT, b"said all the same")


def test_a_stored_log_is_read_as_ever() -> None:
    reader = opened(GOLDEN)
    assert list(reader.frames()) == SAID
    assert reader.ended

"""What a backup brings to its target, and in which order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from cloister.core.errors import (
    Conflict,
    DurabilityLost,
    IntegrityError,
    LedgerForked,
    NoSpace,
)
from cloister.recovery import position
from cloister.recovery.chain import read_saves
from cloister.recovery.save import save_key
from cloister.recovery.verifying import verify_target
from cloister.store.backend import Key
from cloister.testing.backend import MemoryBackend
from tests.recovery.small_lab import LAB, SmallLab, small_lab


def whole(lab: SmallLab, target: MemoryBackend) -> bool:
    chain = lab.chain()
    found = verify_target(target, chain, lab.keys.open, read_all=True)
    return not found.problems


def test_only_what_is_new_is_sent(lab: SmallLab, target: MemoryBackend) -> None:
    chain = lab.chain()
    lab.note("one", b"a" * 100, os.urandom(2 << 20))
    first = lab.ship(target, chain)
    assert (first.saves, first.entries, first.blobs) == (1, 1, 2)
    assert lab.ship(target, chain).last is None
    lab.note("two", b"b" * 100)
    second = lab.ship(target, chain)
    assert (second.saves, second.entries, second.blobs) == (1, 1, 1)
    assert second.size_bytes < 2000
    assert whole(lab, target)


def test_without_what_was_remembered_the_saves_are_read_again(
    lab: SmallLab, target: MemoryBackend
) -> None:
    chain = lab.chain()
    for number in range(70):  # more than are read at once
        lab.note(f"note {number}", b"%d" % number)
        lab.ship(target, chain)
    again = lab.chain()
    assert sum(1 for _ in read_saves(target, again, lab.keys.open)) == 70
    assert (again.number, again.sha256, again.blobs) == (70, chain.sha256, chain.blobs)
    assert again.frontier.root() == chain.frontier.root()


def test_a_long_history_is_cut_and_only_its_end_can_be_restored_to(
    lab: SmallLab, target: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloister.recovery.shipping._PIECE_BYTES", 300)
    for number in range(20):
        lab.note(f"note {number}")
    shipped = lab.ship(target)
    assert shipped.saves > 3
    reads = list(read_saves(target, lab.chain(), lab.keys.open))
    assert [read.head is not None for read in reads] == [False] * (len(reads) - 1) + [True]
    assert whole(lab, target)


def test_the_position_comes_back_as_it_was_kept(
    lab: SmallLab, target: MemoryBackend, tmp_path: Path
) -> None:
    lab.note("one", b"x")
    chain = lab.chain()
    lab.ship(target, chain)
    place = tmp_path / "backups/tgt.json"
    position.keep(place, chain)
    kept = position.load(place, LAB, chain.log, chain.verify)
    assert (kept.number, kept.sha256, kept.blobs) == (1, chain.sha256, chain.blobs)
    assert kept.frontier.root() == chain.frontier.root()
    place.write_bytes(b"{}")
    assert position.load(place, LAB, chain.log, chain.verify).number == 0


def test_a_damaged_blob_of_the_lab_is_left_out_named_and_tried_again(
    lab: SmallLab, target: MemoryBackend
) -> None:
    chain = lab.chain()
    lab.note("one", b"small", os.urandom(2 << 20))
    backend = lab.backend
    assert isinstance(backend, MemoryBackend)
    key = next(backend.list("raw/objects/"))
    sound, written = backend._blobs[key]
    backend._blobs[key] = b"rot" + sound[3:], written
    assert lab.ship(target, chain).damaged == (key,)
    assert whole(lab, target)
    backend._blobs[key] = sound, written
    later = lab.ship(target, chain)
    assert (later.blobs, later.damaged) == (1, ())
    assert whole(lab, target)


class Dropping(MemoryBackend):
    """Says that it stored, and did not."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.when = when

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        done = super().put_if_absent(key, chunks, size_hint)
        for name in list(self._blobs):
            if name.startswith(self.when):
                del self._blobs[name]
        return done


@pytest.mark.parametrize("what", ["raw/", "saves/"])
def test_a_target_that_drops_what_it_took_is_found_out_at_once(
    lab: SmallLab, what: str
) -> None:
    lab.note("one", b"x")
    chain = lab.chain()
    with pytest.raises(IntegrityError, match="does not have it"):
        lab.ship(Dropping(what), chain)
    assert chain.number == 0


class Failing(MemoryBackend):
    """Fails the put after so many."""

    def __init__(self, after: int, error: Exception) -> None:
        super().__init__()
        self.left, self.error = after, error

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        if self.left == 0:
            raise self.error
        self.left -= 1
        return super().put_if_absent(key, chunks, size_hint)


@pytest.mark.parametrize("error", [NoSpace("full"), DurabilityLost("lost")])
@pytest.mark.parametrize("after", range(5))
def test_wherever_a_target_fails_it_claims_nothing_that_it_lacks(
    lab: SmallLab, after: int, error: Exception
) -> None:
    lab.note("one", *(os.urandom(1 << 20) for _ in range(4)))
    failing = Failing(after, error)
    with pytest.raises(type(error)):
        lab.ship(failing)
    assert not list(failing.list("saves/"))
    failing.left = -1
    chain = lab.chain()
    assert lab.ship(failing, chain).blobs == 4
    assert whole(lab, failing)


def test_two_at_once_do_not_write_over_each_other(lab: SmallLab, target: MemoryBackend) -> None:
    lab.note("one")
    lab.ship(target)
    lab.note("two")
    with pytest.raises(Conflict):
        lab.ship(target)  # by somebody who knows nothing of the first
    assert whole(lab, target)


def test_another_history_is_not_put_on_top_of_the_first(
    lab: SmallLab, target: MemoryBackend, tmp_path: Path
) -> None:
    chain = lab.chain()
    lab.note("one")
    lab.note("two")
    lab.ship(target, chain)
    (tmp_path / "other").mkdir()
    with small_lab(tmp_path / "other") as other:
        for words in ("one", "another", "three"):
            other.note(words)
        with pytest.raises(LedgerForked, match="another history"):
            other.ship(target, chain)
    assert list(target.list("saves/")) == [save_key(1)]


_COUNTING = threading.Lock()


class Slow(MemoryBackend):
    """Takes its time with every blob, and knows how many it was given together."""

    together = most = 0

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        with _COUNTING:
            self.together += 1
            self.most = max(self.most, self.together)
        time.sleep(0.2)
        with _COUNTING:
            self.together -= 1
        return super().put_if_absent(key, chunks, size_hint)


def test_a_slow_target_is_given_several_blobs_at_once(lab: SmallLab) -> None:
    lab.note("one", *(os.urandom(1 << 20) for _ in range(12)))
    slow = Slow()
    assert lab.ship(slow).blobs == 12
    assert slow.most > 1
    assert whole(lab, slow)

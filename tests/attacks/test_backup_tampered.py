"""Claim: whoever holds a backup, and may change every byte of it, can neither forge a save, nor
move, replace or leave one out, nor change data, without being noticed and the place named;
and nothing that was changed is ever restored.

The target is in memory and changed as its holder likes. One attack goes further: whoever also
holds the key that saves are sealed under still cannot change an entry of the ledger.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from cloister.core.errors import CloisterError, NotVerified, Tampered
from cloister.core.values import KeyRef
from cloister.recovery.chain import Chain, check_numbers, read_saves
from cloister.recovery.rebuilding import fetch, read_point
from cloister.recovery.save import key_of, open_save, save_key, seal_save
from cloister.recovery.verifying import Verified, verify_target
from cloister.testing.backend import MemoryBackend
from tests.recovery.conftest import lab, target
from tests.recovery.small_lab import SmallLab

__all__ = ["lab", "target"]


@pytest.fixture
def saved(lab: SmallLab, target: MemoryBackend) -> MemoryBackend:
    """Three saves: small objects in packs, a large one, several entries."""
    chain = lab.chain()
    for number in range(3):
        lab.note(f"first {number}", b"%d" % number * 50)
        lab.note(f"second {number}", os.urandom((1 << 20) + number))
        lab.ship(target, chain)
    return target


def change(target: MemoryBackend, key: str, content: bytes) -> None:
    target._blobs[key] = content, target._blobs[key][1]


def content(target: MemoryBackend, key: str) -> bytes:
    return target.get(key, 0, 1 << 30)


def read(lab: SmallLab, target: MemoryBackend) -> Chain:
    chain = lab.chain()
    for _ in read_saves(target, chain, lab.keys.open):
        pass
    check_numbers(target, chain)
    return chain


def verified(lab: SmallLab, target: MemoryBackend) -> Verified:
    return verify_target(target, lab.chain(), lab.keys.open, read_all=True)


def test_any_changed_bit_of_a_save_is_noticed(lab: SmallLab, saved: MemoryBackend) -> None:
    key, chance = save_key(2), random.Random(2)
    sound = content(saved, key)
    for bit in [*range(8 * 200), *chance.sample(range(8 * len(sound)), 300)]:
        flipped = bytearray(sound)
        flipped[bit // 8] ^= 1 << bit % 8
        change(saved, key, bytes(flipped))
        with pytest.raises(CloisterError):
            read(lab, saved)
    change(saved, key, sound)
    assert read(lab, saved).number == 3


def test_a_save_cut_short_is_noticed(lab: SmallLab, saved: MemoryBackend) -> None:
    sound = content(saved, save_key(3))
    for size in (0, 1, 20, len(sound) // 2, len(sound) - 1):
        change(saved, save_key(3), sound[:size])
        with pytest.raises(CloisterError):
            read(lab, saved)


def test_two_saves_that_change_places_are_noticed(lab: SmallLab, saved: MemoryBackend) -> None:
    second, third = content(saved, save_key(2)), content(saved, save_key(3))
    change(saved, save_key(2), third)
    change(saved, save_key(3), second)
    with pytest.raises(Tampered, match="save 2 of the backup does not follow"):
        read(lab, saved)


def test_a_save_of_an_earlier_backup_in_the_place_of_another_is_noticed(
    lab: SmallLab, saved: MemoryBackend
) -> None:
    """The same entries, truly sealed by the lab, from another chain of saves."""
    other = MemoryBackend()
    lab.ship(other)  # the whole history in one save
    sealed = content(saved, save_key(2))
    key = lab.keys.open([_ref(sealed)])[0]
    assert key is not None
    twin = replace(open_save(sealed, key), previous="0" * 64)
    change(saved, save_key(2), seal_save(twin, lab.keys.grant()))
    with pytest.raises(Tampered, match="does not follow"):
        read(lab, saved)


def test_a_save_left_out_is_noticed(lab: SmallLab, saved: MemoryBackend) -> None:
    saved.delete(save_key(2))
    with pytest.raises(Tampered, match="save 2 of the backup is missing"):
        read(lab, saved)


def test_an_entry_changed_by_who_holds_the_key_of_saves_is_noticed(
    lab: SmallLab, saved: MemoryBackend
) -> None:
    sealed = content(saved, save_key(3))
    key = lab.keys.open([_ref(sealed)])[0]
    assert key is not None
    save = open_save(sealed, key)
    leaves = (save.leaves[0].replace(b"first", b"forge"), *save.leaves[1:])
    change(saved, save_key(3), seal_save(replace(save, leaves=leaves), lab.keys.grant()))
    with pytest.raises(NotVerified, match="save 3"):
        read(lab, saved)


@pytest.mark.parametrize("kind", ["raw/packs/", "raw/objects/"])
def test_a_changed_blob_is_named_and_never_restored(
    lab: SmallLab, saved: MemoryBackend, kind: str
) -> None:
    key = next(saved.list(kind))
    sound = content(saved, key)
    chosen = random.Random(1).randrange(len(sound))
    flipped = bytes([sound[chosen] ^ 1])
    change(saved, key, sound[:chosen] + flipped + sound[chosen + 1 :])
    assert [(p.blob, p.problem) for p in verified(lab, saved).problems] == [(key, "damaged")]
    place = MemoryBackend()
    point = read_point(saved, lab.chain(), lab.keys.open, None)
    with pytest.raises(Tampered, match=key.rpartition("/")[2]):
        fetch(saved, place, point.blobs)
    assert key not in set(place.list("raw/"))


def test_a_blob_that_was_dropped_is_named(lab: SmallLab, saved: MemoryBackend) -> None:
    key = next(saved.list("raw/packs/"))
    saved.delete(key)
    found = verify_target(saved, lab.chain(), lab.keys.open)
    assert [(p.blob, p.problem) for p in found.problems] == [(key, "missing")]


def test_an_honest_backup_is_found_whole(lab: SmallLab, saved: MemoryBackend) -> None:
    found = verified(lab, saved)
    assert not found.problems
    assert (found.saves, found.entries, found.blobs) == (3, 6, 6)


def _ref(sealed: bytes) -> KeyRef:
    return key_of(sealed)[0]

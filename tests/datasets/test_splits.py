"""Splits by patient."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import BadInput
from cloister.datasets.splits import Split, assign, parse_parts

names = st.text("abcdefgh234567", min_size=16, max_size=16).map("sub_".__add__)


@given(st.sets(names, min_size=1), st.integers(0, 9))
def test_new_patients_never_move_old_ones(patients: set[str], seed: int) -> None:
    split = Split("fold", seed, (("train", 800), ("test", 200)))
    before = assign(split, sorted(patients), {})
    after = assign(split, [*sorted(patients), "sub_zzzzzzzzzzzzzzzz"], {})
    assert {name: after[name] for name in patients} == before


def test_linked_names_share_a_part() -> None:
    split = Split("fold", 0, (("a", 500), ("b", 500)))
    linked = {f"sub_{n:016d}": "sub_0000000000000000" for n in range(50)}
    assert len(set(assign(split, list(linked), linked).values())) == 1


def test_shares_are_met_over_many_patients() -> None:
    split = Split("fold", 3, (("train", 800), ("val", 100), ("test", 100)))
    parts = list(assign(split, [f"sub_{n:016d}" for n in range(20_000)], {}).values())
    assert abs(parts.count("train") / 20_000 - 0.8) < 0.01
    assert abs(parts.count("val") / 20_000 - 0.1) < 0.01


def test_seeds_and_names_deal_differently() -> None:
    patients = [f"sub_{n:016d}" for n in range(200)]
    halves = (("a", 500), ("b", 500))
    dealt = {
        tuple(assign(Split(name, seed, halves), patients, {}).values())
        for name in ("x", "y")
        for seed in range(3)
    }
    assert len(dealt) == 6


@pytest.mark.parametrize("text", ["", "train", "train=0.5", "a=0.5,b=0.6", "a=1,b=0", "a=x"])
def test_shares_that_are_no_whole_are_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_parts(text)


@given(names, st.integers(0, 9), st.integers(1, 999))
def test_a_part_is_dealt_as_it_always_was(patient: str, seed: int, share: int) -> None:
    """What runs were given hangs on it: the rule, written out once more."""
    digest = hashlib.sha256(f"fold\x00{seed}\x00{patient}".encode()).digest()
    place = int.from_bytes(digest[:8]) * 1000 // 2**64
    split = Split("fold", seed, (("train", share), ("test", 1000 - share)))
    assert split.part_of(patient) == ("train" if place < share else "test")

"""Near pairs of hashes: none is missed, whatever the bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.checks.near import Groups, near_pairs

HASHES = st.integers(0, 2**64 - 1)


@settings(max_examples=60)
@given(
    base=st.lists(HASHES, min_size=1, max_size=12, unique=True),
    flips=st.lists(st.sets(st.integers(0, 63), max_size=9), min_size=1, max_size=12),
    furthest=st.integers(0, 7),
)
def test_the_groups_are_those_of_the_plain_search(
    base: list[int], flips: list[set[int]], furthest: int
) -> None:
    values = base + [base[0] ^ sum(1 << bit for bit in bits) for bits in flips]
    hashes = np.array(values, dtype=np.uint64)
    found, plain = Groups(len(values)), Groups(len(values))
    for a, b in near_pairs(hashes, furthest):
        assert (values[a] ^ values[b]).bit_count() <= furthest
        found.join(a, b)
    for a in range(len(values)):
        for b in range(a):
            if (values[a] ^ values[b]).bit_count() <= furthest:
                plain.join(a, b)
    assert found.groups() == plain.groups()


def test_a_distance_that_would_miss_some_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 7"):
        list(near_pairs(np.zeros(2, dtype=np.uint64), 8))


def test_ten_thousand_equal_hashes_are_a_chain() -> None:
    pairs = list(near_pairs(np.full(10_000, 12345, dtype=np.uint64)))
    assert len(pairs) < 11_000
    assert {place for pair in pairs for place in pair} == set(range(10_000))

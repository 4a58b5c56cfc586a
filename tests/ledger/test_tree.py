"""Where nodes are stored, and what proofs are read from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.ledger import leaf_hash
from cloister.ledger.proofs import folded
from cloister.ledger.tree import (
    Frontier,
    Subtree,
    consistency_path,
    covering,
    inclusion_path,
    nodes_of,
    subtrees,
)
from tests.ledger import slow_tree


def entries_of(size: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(size)]


def test_nodes_are_stored_in_the_order_they_become_complete() -> None:
    places = {
        Subtree(level, number).position: Subtree(level, number).entries
        for level in range(1, 6)
        for number in range(32 >> level)
    }
    assert sorted(places) == list(range(nodes_of(32)))
    ends = [places[position].stop for position in sorted(places)]
    assert ends == sorted(ends)


@given(st.integers(1, 300), st.integers(0, 300))
def test_extending_in_two_steps_stores_the_nodes_of_one(first: int, second: int) -> None:
    hashes = [leaf_hash(entry) for entry in entries_of(first + second)]
    at_once, in_steps = Frontier(), Frontier()
    nodes = list(at_once.extend(hashes))
    assert [*in_steps.extend(hashes[:first]), *in_steps.extend(hashes[first:])] == nodes
    assert len(nodes) == nodes_of(first + second)
    assert at_once.root() == in_steps.root() == slow_tree.tree_hash(entries_of(first + second))


@given(st.integers(2, 5000))
def test_a_stored_position_names_the_entries_it_covers(size: int) -> None:
    for position in {0, nodes_of(size) // 2, nodes_of(size) - 1}:
        assert covering(position, size).position == position


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 64, 65])
def test_paths_are_those_of_the_rfc(size: int) -> None:
    entries = entries_of(size)

    def root(span: range) -> bytes:
        return slow_tree.tree_hash(entries[span.start : span.stop])

    for index in range(size):
        assert list(map(root, inclusion_path(index, size))) == slow_tree.path(index, entries)
    for old in range(1, size):
        assert list(map(root, consistency_path(old, size))) == slow_tree.proof(old, entries)


@given(st.integers(1, 200))
def test_complete_subtrees_fold_to_the_root(size: int) -> None:
    entries = entries_of(size)
    hashes = [
        slow_tree.tree_hash(entries[subtree.entries.start : subtree.entries.stop])
        for subtree in subtrees(0, size)
    ]
    assert folded(hashes) == slow_tree.tree_hash(entries)


@given(st.integers(1, 10**9), st.data())
def test_a_proof_takes_logarithmically_many_reads(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    for path in (inclusion_path(index, size), consistency_path(index, size) if index else []):
        reads = sum(len(subtrees(span.start, span.stop)) for span in path)
        assert reads <= 2 * size.bit_length()

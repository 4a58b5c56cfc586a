from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import BadInput
from cloister.proof.multiproof import prove_together
from tests.ledger import slow_tree
from tests.proof.verifying import verifier


@st.composite
def choices(draw: st.DrawFn) -> tuple[list[bytes], list[int]]:
    size = draw(st.integers(1, 70))
    chosen = draw(st.sets(st.integers(0, size - 1), min_size=1))
    return [b"entry %d" % number for number in range(size)], sorted(chosen)


@given(choices())
def test_chosen_entries_lead_to_the_root_of_rfc_6962(
    choice: tuple[list[bytes], list[int]],
) -> None:
    entries, chosen = choice
    proof = prove_together(chosen, len(entries), lambda index: slow_tree.path(index, entries))
    leaves = [verifier.leaf_hash(entries[index]) for index in chosen]
    assert verifier.places([list(run) for run in proof.runs], len(entries), 100) == chosen
    root = verifier.root_of_chosen(len(entries), chosen, leaves, proof.hashes)
    assert root == slow_tree.tree_hash(entries)
    assert len(proof.hashes) <= sum(len(slow_tree.path(index, entries)) for index in chosen)


@given(choices(), st.data())
def test_another_entry_or_place_leads_to_another_root(
    choice: tuple[list[bytes], list[int]], data: st.DataObject
) -> None:
    entries, chosen = choice
    proof = prove_together(chosen, len(entries), lambda index: slow_tree.path(index, entries))
    leaves = [verifier.leaf_hash(entries[index]) for index in chosen]
    wrong = data.draw(st.integers(0, len(chosen) - 1))
    leaves[wrong] = verifier.leaf_hash(b"forged")
    root = verifier.root_of_chosen(len(entries), chosen, leaves, proof.hashes)
    assert root != slow_tree.tree_hash(entries)


def test_neighbours_ask_for_few_audit_paths() -> None:
    entries = [b"%d" % number for number in range(1000)]
    asked: list[int] = []

    def inclusion(index: int) -> list[bytes]:
        asked.append(index)
        return slow_tree.path(index, entries)

    proof = prove_together(range(300, 900), 1000, inclusion)
    assert len(asked) == len(set(asked)) <= len(proof.hashes) <= 20


@pytest.mark.parametrize("chosen", [[], [1, 1], [2, 1], [-1], [10]])
def test_unordered_or_foreign_indices_are_a_mistake(chosen: list[int]) -> None:
    with pytest.raises(BadInput):
        prove_together(chosen, 10, lambda index: [])

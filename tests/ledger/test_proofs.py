"""Merkle proofs against RFC 6962 as written, and against the published test tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import NotVerified
from cloister.ledger import EMPTY_ROOT, leaf_hash, root_of, verify_consistency, verify_inclusion
from tests.ledger import slow_tree

# The entries and roots of the Certificate Transparency reference implementation.
KNOWN_ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

logs = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_implementation(size: int) -> None:
    assert root_of(map(leaf_hash, KNOWN_ENTRIES[:size])).hex() == KNOWN_ROOTS[size - 1]


def test_the_empty_log_has_the_hash_of_nothing() -> None:
    assert root_of([]) == EMPTY_ROOT == slow_tree.tree_hash([])


@given(logs)
def test_root_is_the_slow_one(entries: list[bytes]) -> None:
    assert root_of(map(leaf_hash, entries)) == slow_tree.tree_hash(entries)


@given(logs, st.data())
def test_every_inclusion_proof_verifies_and_no_other_entry_does(
    entries: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(entries) - 1))
    root, proof = slow_tree.tree_hash(entries), slow_tree.path(index, entries)
    verify_inclusion(leaf_hash(entries[index]), index, len(entries), proof, root)
    with pytest.raises(NotVerified):
        verify_inclusion(
            leaf_hash(b"forged" + entries[index]), index, len(entries), proof, root
        )


@given(logs, st.data())
def test_an_inclusion_proof_changed_anywhere_is_refused(
    entries: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(entries) - 1))
    root, proof = slow_tree.tree_hash(entries), slow_tree.path(index, entries)
    leaf = leaf_hash(entries[index])
    for number in range(len(proof)):
        broken = proof.copy()
        broken[number] = bytes(32)
        with pytest.raises(NotVerified):
            verify_inclusion(leaf, index, len(entries), broken, root)
        with pytest.raises(NotVerified):
            verify_inclusion(leaf, index, len(entries), proof[:number], root)
    with pytest.raises(NotVerified):
        verify_inclusion(leaf, index, len(entries), [*proof, bytes(32)], root)


def test_an_entry_outside_the_log_is_refused() -> None:
    with pytest.raises(NotVerified):
        verify_inclusion(leaf_hash(b""), 1, 1, [], leaf_hash(b""))
    with pytest.raises(NotVerified):
        verify_inclusion(leaf_hash(b""), -1, 1, [], leaf_hash(b""))


@given(logs, st.data())
def test_every_prefix_is_consistent(entries: list[bytes], data: st.DataObject) -> None:
    old = data.draw(st.integers(0, len(entries)))
    old_root, root = slow_tree.tree_hash(entries[:old]), slow_tree.tree_hash(entries)
    proof = slow_tree.proof(old, entries) if old else []
    verify_consistency(old, old_root, len(entries), root, proof)


@given(logs, st.data())
def test_a_history_that_changed_is_not_consistent(
    entries: list[bytes], data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, len(entries)))
    changed = data.draw(st.integers(0, old - 1))
    other = entries.copy()
    other[changed] = entries[changed] + b"!"
    old_root = slow_tree.tree_hash(entries[:old])
    for proof in (slow_tree.proof(old, entries), slow_tree.proof(old, other)):
        with pytest.raises(NotVerified):
            verify_consistency(old, old_root, len(other), slow_tree.tree_hash(other), proof)


@given(logs, st.data())
def test_a_consistency_proof_changed_anywhere_is_refused(
    entries: list[bytes], data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, len(entries)))
    old_root, root = slow_tree.tree_hash(entries[:old]), slow_tree.tree_hash(entries)
    proof = slow_tree.proof(old, entries)
    for number in range(len(proof)):
        broken = [*proof[:number], bytes(32), *proof[number + 1 :]]
        with pytest.raises(NotVerified):
            verify_consistency(old, old_root, len(entries), root, broken)
        with pytest.raises(NotVerified):
            verify_consistency(old, old_root, len(entries), root, proof[:number])
    with pytest.raises(NotVerified):
        verify_consistency(old, old_root, len(entries), root, [*proof, bytes(32)])


def test_a_log_does_not_shrink_consistently() -> None:
    root = leaf_hash(b"")
    with pytest.raises(NotVerified):
        verify_consistency(2, root, 1, root, [])
    with pytest.raises(NotVerified):
        verify_consistency(0, root, 1, root, [])

"""The verifier is a second implementation: it shares no code, and must agree."""

from __future__ import annotations

import ast
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloister.core.canonical import canonical
from cloister.core.commitment import Opening
from cloister.core.errors import BadInput, NotVerified
from cloister.ledger.checkpoint import open_head, sign_head
from cloister.ledger.proofs import root_of, verify_consistency
from cloister.proof.documents import read_document
from tests.ledger import slow_tree
from tests.ledger.lab import LogKey, verify
from tests.proof.verifying import SOURCE, verifier

INTEGERS = st.integers(-(2**54), 2**54)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)
SIGNER = LogKey()


def test_it_is_one_file_of_the_standard_library_and_cryptography() -> None:
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 9))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add((node.module or "").partition(".")[0])
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}


@given(st.dictionaries(st.text(max_size=6), VALUES))
@example({"\ue000": 1, "\U0001d518": 2})  # UTF-16 order is not code point order
@example({"a": '\x7f\x1f\u2028\\"/'})
def test_it_reads_what_we_write_and_nothing_else(value: dict[str, object]) -> None:
    try:
        data = canonical(value)
    except BadInput:
        return
    assert verifier.parse(data, "it") == value == read_document(data, "it")


@given(st.dictionaries(st.text(max_size=3), VALUES, min_size=1), st.data())
def test_it_refuses_the_spellings_we_refuse(
    value: dict[str, object], data: st.DataObject
) -> None:
    try:
        text = bytearray(canonical(value))
    except BadInput:
        return
    place = data.draw(st.integers(0, len(text) - 1))
    text[place : place + data.draw(st.integers(0, 2))] = data.draw(
        st.sampled_from([b"", b" ", b"0", b"-", b"1", b'"', b"\\n", b"\\u0061", b"e1", b"."])
    )
    assert reading(verifier.parse, verifier.Refused, bytes(text)) == reading(
        read_document, NotVerified, bytes(text)
    )


def reading(read: object, error: type[Exception], text: bytes) -> object:
    try:
        return read(text, "it")  # type: ignore[operator]
    except error:
        return "refused"


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_it_finds_the_same_roots(leaves: list[bytes]) -> None:
    tree = verifier.Tree()
    for leaf in leaves:
        tree.add(leaf)
    ours = root_of([verifier.leaf_hash(leaf) for leaf in leaves])
    assert tree.root() == ours.hex() == slow_tree.tree_hash(leaves).hex()


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_it_agrees_on_consistency(small: int, more: int, data: st.DataObject) -> None:
    entries = [b"%d" % number for number in range(small + more)]
    proof = slow_tree.proof(small, entries)
    if proof and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(proof) - 1))
        proof[place : place + 1] = data.draw(st.sampled_from([[], [b"\0" * 32], proof[:2]]))
    old = verifier.Head(small, slow_tree.tree_hash(entries[:small]), 0)
    new = verifier.Head(small + more, slow_tree.tree_hash(entries), 0)
    try:
        verify_consistency(old.size, old.root, new.size, new.root, proof)
        ours = True
    except NotVerified:
        ours = False
    assert verifier.consistent(old, new, proof) == ours


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_it_opens_the_same_commitments(salt: bytes, digest: bytes) -> None:
    commitment = Opening(salt, digest).commitment()
    assert verifier.Opening(salt, digest.hex()).opens(commitment)
    assert not verifier.Opening(digest, digest.hex()).opens(commitment) or salt == digest


@given(st.integers(1, 2**40), st.binary(min_size=32, max_size=32))
def test_it_reads_the_same_heads(size: int, root: bytes) -> None:
    note = sign_head(SIGNER.public_key.name, size, root, SIGNER).note
    ours = open_head(note, SIGNER.public_key, verify)
    key = verifier.parse_key(SIGNER.public_key.text())
    theirs = verifier.open_checkpoint(note.encode(), key, "it")
    assert (theirs.size, theirs.root) == (ours.size, ours.root) == (size, root)


@given(st.data())
def test_it_accepts_no_head_that_we_refuse(data: st.DataObject) -> None:
    note = bytearray(sign_head(SIGNER.public_key.name, 7, b"\x05" * 32, SIGNER).note.encode())
    place = data.draw(st.integers(0, len(note) - 1))
    note[place : place + 1] = data.draw(st.binary(max_size=2))
    try:
        found = verifier.open_checkpoint(
            bytes(note), verifier.parse_key(SIGNER.public_key.text()), "it"
        )
    except verifier.Refused:
        return
    ours = open_head(bytes(note).decode(), SIGNER.public_key, verify)
    assert (found.size, found.root) == (ours.size, ours.root)


@pytest.mark.parametrize(
    "text", ["", "\x1b[31m", "a\nb", "\u202e", "\ud800", "x" * 999, "\x7f"]
)
def test_what_it_prints_is_one_plain_line(text: str) -> None:
    shown = verifier.printable(text)
    assert all(" " <= letter <= "~" for letter in shown)
    assert len(shown) <= 160

"""The bytes of entries, tree and head as docs/formats/ledger.md and checkpoint.md draw them."""

from __future__ import annotations

import json
from pathlib import Path

from cloister.core.signing import PublicKey
from cloister.ledger import (
    event_of,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from cloister.ledger.checkpoint import open_head
from tests.ledger.lab import Lab, LogKey, event, note, verify

GOLDEN = Path(__file__).parent.parent / "golden"
LEAVES = (GOLDEN / "ledger-v1.jsonl").read_bytes().splitlines()
NOTE = (GOLDEN / "ledger-v1.note").read_text("utf-8")
KEY = (GOLDEN / "ledger-v1.vkey").read_text("utf-8")
PROOFS = json.loads((GOLDEN / "ledger-v1.proofs.json").read_text("utf-8"))

EVENTS = [
    note("n0"),
    note("ä €", 'quoted "words"\n\u007f\U0001f600'),
    event("bed.made", ward="3", number=4, sealed="00ff"),
    event("read.begun", list=[1, -5, True, None, {"deep": []}], large=2**53 - 1),
    note("n0", "again"),
    event("note.removed", name="n0"),
    event("read.begun"),
]


def test_entries_are_written_as_they_always_were() -> None:
    assert [item.leaf() for item in EVENTS] == LEAVES
    assert [event_of(leaf) for leaf in LEAVES] == EVENTS


def test_the_log_of_these_entries_has_the_same_hashes_nodes_and_head(lab: Lab) -> None:
    lab.append(*EVENTS)
    with lab.database.read() as tx:
        stored = {
            table: [digest.hex() for (digest,) in tx.query(f"SELECT hash FROM {table}")]
            for table in ("ledger_leaf", "ledger_node")
        }
        assert lab.reader.head(tx).note == NOTE
        for index, proof in enumerate(PROOFS["inclusion_in_7"]):
            assert [part.hex() for part in lab.reader.inclusion(tx, index, 7)] == proof
        for old, proof in PROOFS["consistency_to_7"].items():
            assert [part.hex() for part in lab.reader.consistency(tx, int(old), 7)] == proof
    assert (stored["ledger_leaf"], stored["ledger_node"]) == (PROOFS["leaves"], PROOFS["nodes"])


def test_the_head_is_signed_by_the_written_key() -> None:
    key = PublicKey.parse(KEY)
    assert key == LogKey().public_key
    head = open_head(NOTE, key, verify)
    assert (head.size, head.root.hex()) == (7, PROOFS["roots"][7])


def test_the_written_proofs_verify() -> None:
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    roots = [bytes.fromhex(root) for root in PROOFS["roots"]]
    assert roots == [root_of(hashes[:size]) for size in range(8)]
    for index, parts in enumerate(PROOFS["inclusion_in_7"]):
        proof = [bytes.fromhex(part) for part in parts]
        verify_inclusion(hashes[index], index, 7, proof, roots[7])
    for old, parts in PROOFS["consistency_to_7"].items():
        proof = [bytes.fromhex(part) for part in parts]
        verify_consistency(int(old), roots[int(old)], 7, roots[7], proof)

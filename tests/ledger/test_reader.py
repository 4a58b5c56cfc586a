"""Reading: entries, and proofs from stored nodes that an independent verifier accepts."""

from __future__ import annotations

import threading

import pytest

from cloister.core.errors import BadInput, NotFound, NotVerified, Tampered
from cloister.core.events import Parameters, Row, Transaction
from cloister.ledger import event_of, leaf_hash, verify_consistency, verify_inclusion
from tests.ledger import slow_tree
from tests.ledger.lab import Lab, event, note


def filled(lab: Lab, size: int) -> list[bytes]:
    events = [note(f"n{number}") for number in range(size)]
    lab.append(*events)
    return [item.leaf() for item in events]


@pytest.mark.parametrize("size", [1, 2, 5, 8, 21, 64])
def test_proofs_from_stored_nodes_are_those_of_the_rfc(lab: Lab, size: int) -> None:
    leaves = filled(lab, size)
    with lab.database.read() as tx:
        for end in range(1, size + 1):
            for index in range(0, end, 1 + end // 9):
                proof = slow_tree.path(index, leaves[:end])
                assert lab.reader.inclusion(tx, index, end) == proof
        for old in range(1, size + 1):
            assert lab.reader.consistency(tx, old, size) == slow_tree.proof(old, leaves)
        assert lab.reader.consistency(tx, 0, size) == []


def test_an_event_comes_back_as_it_was(lab: Lab) -> None:
    written = event("read.begun", name="ä\U0001f600\n", list=[1, None, True, {"deep": "er"}])
    lab.append(written)
    with lab.database.read() as tx:
        recorded = lab.reader.event(tx, 0)
        assert recorded.event == written
        assert lab.reader.leaf(tx, 0) == written.leaf()


def test_what_is_not_there_is_said_so(lab: Lab) -> None:
    lab.append(note("a"))
    with lab.database.read() as tx:
        with pytest.raises(NotFound):
            lab.reader.event(tx, 1)
        for old, new in ((2, 1), (-1, 1)):
            with pytest.raises(BadInput):
                lab.reader.consistency(tx, old, new)
        for index, size in ((1, 1), (-1, 1)):
            with pytest.raises(BadInput):
                lab.reader.inclusion(tx, index, size)
        with pytest.raises(Tampered, match="lacks the hash"):
            lab.reader.inclusion(tx, 0, 2)


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"v":1}',
        b"[" * 100_000,
        note("a").leaf().replace(b'"v":1', b'"v":2'),
        note("a").leaf().replace(b'"note.written"', b"[]"),
    ],
)
def test_an_entry_of_another_form_is_refused(leaf: bytes) -> None:
    with pytest.raises(Tampered):
        event_of(leaf)


def test_entries_without_a_head_are_refused(lab: Lab) -> None:
    lab.append(note("a"))
    lab.tamper("DELETE FROM ledger_head")
    with pytest.raises(NotVerified, match="no signed head"):
        lab.head()


def test_a_head_row_that_differs_from_its_note_is_refused(lab: Lab) -> None:
    lab.append(note("a"))
    lab.tamper("UPDATE ledger_head SET size = 2")
    with pytest.raises(NotVerified, match="signed 1, found 2"):
        lab.head()


class Counted:
    """A transaction that counts the rows it gave."""

    def __init__(self, inner: Transaction) -> None:
        self._inner = inner
        self.rows = 0

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        rows = self._inner.query(sql, parameters)
        self.rows += len(rows)
        return rows


def test_a_proof_reads_logarithmically_many_rows(lab: Lab) -> None:
    filled(lab, 3000)
    with lab.database.read() as tx:
        counted = Counted(tx)
        lab.reader.inclusion(counted, 1234, 2999)  # type: ignore[arg-type]
        lab.reader.consistency(counted, 1234, 2999)  # type: ignore[arg-type]
        assert counted.rows <= 4 * 12


def test_readers_in_threads_see_whole_states_while_others_write(disk_lab: Lab) -> None:
    disk_lab.append(note("first"))
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                check_once(disk_lab)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(60):
        disk_lab.append(*(note(f"{number}.{part}") for part in range(3)))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures


def check_once(lab: Lab) -> None:
    with lab.database.read() as tx:
        head = lab.reader.head(tx)
        index = head.size // 2
        leaf = leaf_hash(lab.reader.leaf(tx, index))
        proof = lab.reader.inclusion(tx, index, head.size)
        verify_inclusion(leaf, index, head.size, proof, head.root)
        old = lab.reader.consistency(tx, 1, head.size)
        first = leaf_hash(lab.reader.leaf(tx, 0))
        verify_consistency(1, first, head.size, head.root, old)
        assert tx.query("SELECT COUNT(*) FROM note") == [(head.size,)]

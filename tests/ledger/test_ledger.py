"""Appending: all or nothing, one signature a commit, nothing signed that was not written."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.core.errors import (
    BadInput,
    Conflict,
    KeysUnavailable,
    LedgerRolledBack,
    NoSpace,
    NotVerified,
    Tampered,
)
from cloister.core.events import Event, Transaction
from cloister.ledger import Ledger
from tests.ledger import slow_tree
from tests.ledger.conftest import NewLab
from tests.ledger.lab import ORIGIN, PROJECTIONS, Lab, LogKey, event, note, verify


def test_events_are_numbered_from_zero_without_gaps(lab: Lab) -> None:
    first = lab.append(note("a"), note("b"))
    second = lab.append(event("read.begun", name="c"))
    assert [item.index for item in (*first, *second)] == [0, 1, 2]
    assert lab.names() == ["a", "b", "c"]


def test_the_root_is_that_of_the_leaves_as_they_were_written(lab: Lab) -> None:
    events = [note(f"n{number}") for number in range(37)]
    for start in range(0, 37, 5):
        lab.append(*events[start : start + 5])
    assert lab.head().root == slow_tree.tree_hash([item.leaf() for item in events])


def test_one_transaction_takes_one_signature(lab: Lab) -> None:
    def many(tx: Transaction) -> None:
        for number in range(50):
            lab.ledger.append(tx, [note(f"n{number}")])

    lab.database.write(many)
    assert (lab.head().size, lab.key.signatures) == (50, 1)


def test_a_transaction_without_events_signs_nothing(lab: Lab) -> None:
    lab.append(note("a"))
    before = lab.head()
    assert lab.database.write(lambda tx: tx.query("SELECT COUNT(*) FROM note")) == [(1,)]
    assert (lab.head(), lab.key.signatures) == (before, 1)


def test_an_operation_that_fails_leaves_neither_event_nor_row(lab: Lab) -> None:
    def fails(tx: Transaction) -> None:
        lab.ledger.append(tx, [note("lost")])
        raise Conflict("no")

    lab.append(note("kept"))
    with pytest.raises(Conflict):
        lab.database.write(fails)
    lab.append(note("next"))
    assert lab.names() == ["kept", "next"]
    assert lab.audit().sound


def test_rows_that_cannot_be_written_take_their_event_with_them(lab: Lab) -> None:
    made = event("bed.made", ward="3", number=1, sealed="00")
    lab.append(made)
    with pytest.raises(Conflict):
        lab.append(note("also lost"), made)
    assert lab.head().size == 1
    assert lab.audit().sound


def test_a_swallowed_failure_does_not_leave_half_of_the_events(lab: Lab) -> None:
    made = event("bed.made", ward="3", number=1, sealed="00")

    def careless(tx: Transaction) -> None:
        lab.ledger.append(tx, [made])
        with pytest.raises(Conflict):
            lab.ledger.append(tx, [note("half"), made])
        lab.ledger.append(tx, [note("after")])

    lab.database.write(careless)
    with lab.database.read() as tx:
        assert [item.event.type for item in lab.reader.events(tx)] == [
            "bed.made",
            "note.written",
        ]
    assert lab.audit().sound


@pytest.mark.file_database
def test_a_full_disk_changes_nothing_and_says_so(disk_lab: Lab) -> None:
    disk_lab.append(note("a"))
    ((pages,),) = disk_lab.database.write(lambda tx: tx.query("PRAGMA page_count"))
    disk_lab.database.write(lambda tx: tx.query(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(NoSpace):
        disk_lab.append(note("b", "x" * 100_000))
    disk_lab.database.write(lambda tx: tx.query("PRAGMA max_page_count = 100000"))
    disk_lab.append(note("c"))
    assert disk_lab.names() == ["a", "c"]
    assert disk_lab.audit().sound


def test_an_event_of_undeclared_type_is_refused(lab: Lab) -> None:
    with pytest.raises(BadInput, match="no projection"):
        lab.append(event("note.forgotten", name="a"))
    assert lab.head().size == 0


@pytest.mark.parametrize("value", [1.5, {"deep": [5.0]}, b"bytes", 2**53])
def test_a_body_that_a_replay_would_read_differently_is_refused(
    lab: Lab, value: object
) -> None:
    with pytest.raises(BadInput):
        lab.append(event("read.begun", value=value))
    assert lab.head().size == 0


def test_without_a_signature_nothing_changes(new_lab: NewLab) -> None:
    class Locked(LogKey):
        def sign(self, message: bytes) -> bytes:
            raise KeysUnavailable("locked")

    lab = new_lab(key=Locked())
    with pytest.raises(KeysUnavailable):
        lab.append(note("a"))
    with lab.database.read() as tx:
        for table in ("ledger_leaf", "ledger_node", "ledger_head", "note"):
            assert tx.query(f"SELECT COUNT(*) FROM {table}") == [(0,)]


def test_a_log_is_named_like_its_key(lab: Lab) -> None:
    other = Ledger("lab_other/log", lab.key, PROJECTIONS, verify)

    def write(tx: Transaction) -> None:
        other.append(tx, [note("a")])
        other.seal(tx)

    with pytest.raises(BadInput, match="named like its key"):
        lab.database.write(write)


def test_entries_smuggled_in_behind_the_head_are_not_signed(lab: Lab) -> None:
    lab.append(note("a"))
    forged = note("forged").leaf()
    row = "INSERT INTO ledger_leaf (position, hash, leaf) VALUES (1, ?, ?)"
    _insert_behind(lab, row, (slow_tree.tree_hash([forged]), forged))
    with pytest.raises(Tampered, match="entry 1"):
        lab.append(note("honest"))
    assert lab.head().size == 1


def _insert_behind(lab: Lab, sql: str, values: tuple[object, ...]) -> None:
    """Writes as somebody would who has the file open beside us."""
    lab.tamper(sql, *values)


def test_a_log_cut_at_its_end_is_not_written_on(lab: Lab) -> None:
    lab.append(note("a"), note("b"))
    _insert_behind(lab, "DELETE FROM ledger_leaf WHERE position = 1", ())
    with pytest.raises(LedgerRolledBack, match="signed 2, found 1"):
        lab.append(note("c"))


def test_another_process_with_the_same_key_continues_the_same_log(
    disk_lab: Lab, new_lab: NewLab
) -> None:
    other = new_lab(disk_lab.path)
    events = [note(f"n{number}") for number in range(20)]
    for number, item in enumerate(events):
        (disk_lab if number % 2 else other).append(item)
    assert disk_lab.head().root == slow_tree.tree_hash([item.leaf() for item in events])
    assert other.audit().sound


def test_a_head_that_the_log_key_did_not_sign_is_not_extended(
    disk_lab: Lab, new_lab: NewLab
) -> None:
    disk_lab.append(note("a"), note("b"))
    forged = LogKey(bytes(32))
    intruder = new_lab(disk_lab.path, forged)
    with pytest.raises(NotVerified, match="not signed by"):
        intruder.append(note("c"))


def test_a_tree_that_does_not_have_the_signed_root_is_not_extended(
    disk_lab: Lab, new_lab: NewLab
) -> None:
    disk_lab.append(*(note(f"n{number}") for number in range(8)))
    _insert_behind(disk_lab, "UPDATE ledger_node SET hash = zeroblob(32)", ())
    fresh = new_lab(disk_lab.path)
    with pytest.raises(Tampered, match="root of its head"):
        fresh.append(note("c"))


def test_threads_share_commits_and_keep_one_order(disk_lab: Lab) -> None:
    def work(worker: int) -> None:
        for number in range(40):
            disk_lab.append(note(f"{worker}.{number}"))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert disk_lab.head().size == 320
    assert disk_lab.key.signatures < 320
    for worker in range(8):  # each thread's events are in its own order
        mine = [name for name in disk_lab.names() if name.startswith(f"{worker}.")]
        assert mine == [f"{worker}.{number}" for number in range(40)]
    assert disk_lab.audit().sound


operations = st.lists(
    st.tuples(
        st.lists(
            st.one_of(
                st.builds(note, st.sampled_from("abcdef"), st.text("xyz", max_size=3)),
                st.builds(
                    lambda name: event("note.removed", name=name), st.sampled_from("abcdef")
                ),
                st.builds(
                    lambda number: event("bed.made", ward="1", number=number, sealed="0a"),
                    st.integers(0, 4),
                ),
            ),
            max_size=6,
        ),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(operations)
def test_whatever_succeeds_and_fails_the_record_is_whole(
    steps: list[tuple[list[Event], bool]],
) -> None:
    """Random operations, some of which fail after appending, some because rows collide."""
    lab, expected = Lab(None), []
    for events, gives_up in steps:

        def operation(
            tx: Transaction, events: list[Event] = events, up: bool = gives_up
        ) -> None:
            lab.ledger.append(tx, events)
            if up:
                raise Conflict("given up")

        try:
            lab.database.write(operation)
            expected += events
        except Conflict:
            pass
    report = lab.audit()
    assert report.sound, report.findings
    assert lab.head().size == len(expected) == report.events
    assert lab.head().root == slow_tree.tree_hash([item.leaf() for item in expected])
    lab.close()


def test_the_origin_is_the_key_name(lab: Lab) -> None:
    assert lab.reader.origin == lab.head().origin == ORIGIN

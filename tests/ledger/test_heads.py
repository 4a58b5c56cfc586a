"""Remembered heads."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from cloister.core.errors import LedgerForked, LedgerRolledBack, NotVerified
from cloister.ledger import HeadMemory, HeadStatus, check_head
from tests.ledger.conftest import NewLab
from tests.ledger.lab import ORIGIN, Lab, LogKey, note


@pytest.fixture
def memory(tmp_path: Path) -> HeadMemory:
    return HeadMemory(tmp_path / "state" / "heads")


def test_first_contact_is_said_to_be_unverified_and_then_remembered(
    lab: Lab, memory: HeadMemory
) -> None:
    lab.append(note("a"))
    assert memory.last(ORIGIN) is None
    assert check_head(lab.reader, lab.database, memory) is HeadStatus.FIRST_CONTACT
    assert memory.last(ORIGIN) == lab.head().note
    assert check_head(lab.reader, lab.database, memory) is HeadStatus.EXTENDS


def test_a_log_that_grows_extends_and_moves_the_memory(lab: Lab, memory: HeadMemory) -> None:
    for number in range(20):
        lab.append(note(f"n{number}"))
        status = check_head(lab.reader, lab.database, memory)
        assert status is (HeadStatus.EXTENDS if number else HeadStatus.FIRST_CONTACT)
        assert memory.last(ORIGIN) == lab.head().note


def test_an_empty_log_is_not_remembered(lab: Lab, memory: HeadMemory) -> None:
    assert check_head(lab.reader, lab.database, memory) is HeadStatus.FIRST_CONTACT
    assert memory.last(ORIGIN) is None


def test_an_emptied_log_is_rolled_back(lab: Lab, memory: HeadMemory, new_lab: NewLab) -> None:
    lab.append(note("a"))
    check_head(lab.reader, lab.database, memory)
    with pytest.raises(LedgerRolledBack):
        check_head(lab.reader, new_lab().database, memory)


def test_after_a_refusal_the_memory_is_what_it_was(
    lab: Lab, memory: HeadMemory, new_lab: NewLab
) -> None:
    lab.append(note("a"), note("b"))
    check_head(lab.reader, lab.database, memory)
    remembered = memory.last(ORIGIN)
    forked, shorter = new_lab(), new_lab()
    forked.append(note("a"), note("other"), note("more"))
    shorter.append(note("a"))
    for other, refusal in ((forked, LedgerForked), (shorter, LedgerRolledBack)):
        for _ in range(2):
            with pytest.raises(refusal):
                check_head(other.reader, other.database, memory)
            assert memory.last(ORIGIN) == remembered


def test_a_head_of_an_untrusted_key_is_refused_and_not_remembered(
    lab: Lab, memory: HeadMemory, new_lab: NewLab
) -> None:
    other = new_lab(key=LogKey(bytes(32)))
    other.append(note("a"))
    with pytest.raises(NotVerified):
        check_head(lab.reader, other.database, memory)
    assert memory.last(ORIGIN) is None


def test_a_damaged_memory_is_refused_not_taken_for_first_contact(
    lab: Lab, memory: HeadMemory, tmp_path: Path
) -> None:
    lab.append(note("a"))
    check_head(lab.reader, lab.database, memory)
    (file,) = (tmp_path / "state" / "heads").glob("*.head")
    for damage in (b"", b"\xff\xfe", file.read_bytes()[:-10]):
        file.write_bytes(damage)
        with pytest.raises(NotVerified):
            check_head(lab.reader, lab.database, memory)


def test_files_are_private_and_one_for_each_log(memory: HeadMemory, tmp_path: Path) -> None:
    memory.remember("lab_a/log", "a")
    memory.remember("lab_b/../log", "b")
    memory.remember("lab_a/log", "again")
    folder = tmp_path / "state" / "heads"
    files = list(folder.iterdir())
    assert len(files) == 2
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (memory.last("lab_a/log"), memory.last("lab_b/../log")) == ("again", "b")


def remember_often(folder: Path, notes: list[str]) -> None:
    memory = HeadMemory(folder)
    for _ in range(30):
        for text in notes:
            memory.remember(ORIGIN, text)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "heads"
    notes = ["short", "long" * 5000]
    memory = HeadMemory(folder)
    memory.remember(ORIGIN, notes[0])
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=remember_often, args=(folder, notes)) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert memory.last(ORIGIN) in notes
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0


def advance(path: Path, folder: Path, worker: int) -> None:
    lab, memory = Lab(path), HeadMemory(folder)
    for number in range(25):
        lab.append(note(f"{worker}.{number}"))
        check_head(lab.reader, lab.database, memory)
    lab.close()


def test_clients_side_by_side_raise_no_false_alarm(tmp_path: Path) -> None:
    Lab(tmp_path / "lab.db").close()
    spawn = multiprocessing.get_context("spawn")
    clients = [
        spawn.Process(target=advance, args=(tmp_path / "lab.db", tmp_path / "heads", worker))
        for worker in range(3)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        assert client.exitcode == 0
    lab = Lab(tmp_path / "lab.db")
    assert HeadMemory(tmp_path / "heads").last(ORIGIN) == lab.head().note
    assert lab.head().size == 75
    lab.close()

"""Disks that fill up or fail, processes that are killed or held up: real ones."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import signal
import sqlite3
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from cloister.core.errors import CloisterError, Conflict, DurabilityLost, NoSpace
from cloister.core.events import Transaction
from cloister.db import Database, open_database, sqlite_connection
from tests.db import failing_disk
from tests.db.conftest import WORDS, OpenDatabase
from tests.db.test_database import add, words

spawn = multiprocessing.get_context("spawn")


def test_a_full_disk_is_no_space_and_the_database_goes_on(database: Database) -> None:
    database.write(add("a"))
    ((pages,),) = database.write(lambda tx: tx.query("PRAGMA page_count"))
    database.write(lambda tx: tx.query(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(NoSpace):
        database.write(add("x" * 100_000))
    database.write(lambda tx: tx.query("PRAGMA max_page_count = 1000000"))
    database.write(add("b"))
    assert words(database) == ["a", "b"]
    assert database.check() == []


def test_whoever_swallows_no_space_writes_nothing_outside_a_transaction(
    database: Database,
) -> None:
    """A full disk may undo the whole transaction; what follows must not commit by itself."""
    database.write(add("a"))
    ((pages,),) = database.write(lambda tx: tx.query("PRAGMA page_count"))
    database.write(lambda tx: tx.query(f"PRAGMA max_page_count = {pages}"))

    def careless(tx: Transaction) -> None:
        add("b")(tx)
        with contextlib.suppress(NoSpace):
            tx.execute("ROLLBACK")  # what SQLite does when it must
            add("x" * 100_000)(tx)
        add("c")(tx)

    with pytest.raises((RuntimeError, NoSpace)):
        database.write(careless)
    assert words(database) == ["a"]


def write_on_a_failing_disk(
    path: Path, calls: tuple[str, ...], error: int, told: Connection
) -> None:
    database = open_database(f"sqlite:{path}", (WORDS,))
    database.write(add("before"))
    failing_disk.fail(calls, error)
    for text in ("during", "after"):
        try:
            database.write(add(text))
            told.send("acknowledged")
        except CloisterError as refusal:
            told.send(type(refusal).__name__)
    told.send(words(database))
    os.kill(os.getpid(), signal.SIGKILL)  # no closing: what would it sync?


@pytest.mark.parametrize(
    ("calls", "error", "names"),
    [
        (failing_disk.SYNC, errno.EIO, [DurabilityLost, DurabilityLost]),
        (failing_disk.WRITE, errno.EIO, [DurabilityLost, DurabilityLost]),
        (failing_disk.WRITE, errno.ENOSPC, [NoSpace, NoSpace]),
    ],
    ids=["fsync fails", "write fails", "no space"],
)
def test_a_failing_disk_is_never_acknowledged(
    opened: OpenDatabase,
    path: Path,
    calls: tuple[str, ...],
    error: int,
    names: list[type[CloisterError]],
) -> None:
    here, there = spawn.Pipe()
    child = spawn.Process(target=write_on_a_failing_disk, args=(path, calls, error, there))
    child.start()
    assert [here.recv(), here.recv()] == [name.__name__ for name in names]
    assert here.recv() == ["before"]
    child.join()
    assert child.exitcode == -signal.SIGKILL
    database = opened()
    assert words(database)[0] == "before"
    assert database.check() == []
    database.write(add("recovered"))


def hold_the_lock(path: Path, told: Connection) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    told.send("held")
    time.sleep(60)


def test_a_neighbour_that_holds_the_lock_too_long_is_a_conflict(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "BUSY_TIMEOUT_S", 0.2)
    here, there = spawn.Pipe()
    child = spawn.Process(target=hold_the_lock, args=(path, there))
    child.start()
    assert here.recv() == "held"
    with pytest.raises(Conflict, match="held the database"):
        database.write(add("a"))
    assert words(database) == []  # readers do not wait
    child.kill()
    child.join()
    database.write(add("b"))
    assert words(database) == ["b"]


def open_and_write(path: Path, worker: int) -> None:
    for number in range(10):
        database = open_database(f"sqlite:{path}", (WORDS,))
        database.write(add(f"{worker}.{number}"))
        database.close()


def test_processes_that_open_a_new_database_together_all_get_it(
    opened: OpenDatabase, path: Path
) -> None:
    """Creation, switching to the log and migrating race; closing removes the log files."""
    children = [spawn.Process(target=open_and_write, args=(path, w)) for w in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    expected = sorted(f"{worker}.{number}" for worker in range(4) for number in range(10))
    assert sorted(words(opened())) == expected

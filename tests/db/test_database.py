"""What a database promises: durable when it returns, alone when it fails."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, Conflict, DatabaseDamaged, NotAllowed, NotFound
from cloister.core.events import Transaction
from cloister.db import Database
from tests.db.conftest import OpenDatabase


def add(text: str):  # type: ignore[no-untyped-def]
    return lambda tx: tx.execute("INSERT INTO word (text) VALUES (?)", (text,))


def words(database: Database) -> list[str]:
    with database.read() as tx:
        return [text for (text,) in tx.query("SELECT text FROM word ORDER BY id")]


def test_what_an_operation_returns_is_returned(database: Database) -> None:
    assert database.write(add("a")) == 1
    assert words(database) == ["a"]


def test_what_was_written_is_there_when_opened_again(opened: OpenDatabase) -> None:
    opened().write(add("a"))
    assert words(opened()) == ["a"]


def test_an_operation_that_raises_changes_nothing(database: Database) -> None:
    def fails(tx: Transaction) -> None:
        add("lost")(tx)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        database.write(fails)
    database.write(add("next"))
    assert words(database) == ["next"]


def test_a_constraint_is_a_conflict_that_shows_no_value(database: Database) -> None:
    database.write(add("secret name"))
    with pytest.raises(Conflict) as caught:
        database.write(add("secret name"))
    assert "secret name" not in str(caught.value)


def test_bad_sql_is_a_bug_and_stays_one(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError):
        database.write(lambda tx: tx.execute("SELEC"))


def test_rows_can_be_written_in_bulk_and_streamed(database: Database) -> None:
    rows = [{"text": f"w{number}"} for number in range(5000)]
    database.write(lambda tx: tx.execute_many("INSERT INTO word (text) VALUES (:text)", rows))
    with database.read() as tx:
        streamed = [text for (text,) in tx.iterate("SELECT text FROM word ORDER BY id")]
    assert streamed == [row["text"] for row in rows]


def test_a_snapshot_does_not_move(database: Database) -> None:
    database.write(add("a"))
    with database.read() as before:
        assert before.query("SELECT COUNT(*) FROM word") == [(1,)]
        database.write(add("b"))
        assert before.query("SELECT COUNT(*) FROM word") == [(1,)]
    assert words(database) == ["a", "b"]


def test_a_snapshot_cannot_write(database: Database) -> None:
    with database.read() as tx, pytest.raises(NotAllowed):
        add("a")(tx)


def test_a_transaction_kept_beyond_its_end_is_refused(database: Database) -> None:
    kept = database.write(lambda tx: tx)
    with database.read() as snapshot:
        pass
    for stale in (kept, snapshot):
        with pytest.raises(RuntimeError, match="has ended"):
            stale.query("SELECT 1")


def test_a_write_inside_a_write_is_refused_not_a_deadlock(database: Database) -> None:
    with pytest.raises(RuntimeError, match="inside a write"):
        database.write(lambda tx: database.write(add("a")))
    database.write(add("b"))
    assert words(database) == ["b"]


def test_readers_may_nest_and_outnumber_the_pool(database: Database) -> None:
    database.write(add("a"))
    with ExitStack() as stack:
        snapshots = [stack.enter_context(database.read()) for _ in range(20)]
        assert {tx.query("SELECT text FROM word")[0] for tx in snapshots} == {("a",)}


def test_threads_read_while_others_write(database: Database) -> None:
    """Pairs are written together; no reader ever sees one half."""
    failures: list[object] = []
    stop = threading.Event()

    def write(worker: int) -> None:
        for number in range(50):
            pair = [(f"{worker}.{number}.{half}",) for half in "ab"]
            database.write(
                lambda tx, pair=pair: tx.execute_many(  # type: ignore[misc]
                    "INSERT INTO word (text) VALUES (?)", pair
                )
            )

    def read() -> None:
        while not stop.is_set():
            with database.read() as tx:
                ((count,),) = tx.query("SELECT COUNT(*) FROM word")
                if count % 2 or tx.query("SELECT COUNT(*) FROM word") != [(count,)]:
                    failures.append(count)

    readers = [threading.Thread(target=read) for _ in range(3)]
    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert not failures
    assert len(words(database)) == 400


def test_the_file_is_its_owners_alone(database: Database, path: Path) -> None:
    database.write(add("a"))
    for name in (path, path.with_name("some.db-wal"), path.with_name("some.db-shm")):
        assert name.stat().st_mode & 0o777 == 0o600


def test_pages_are_synced_at_every_commit(database: Database) -> None:
    assert database.write(lambda tx: tx.query("PRAGMA synchronous")) == [(2,)]  # FULL
    assert database.write(lambda tx: tx.query("PRAGMA journal_mode")) == [("wal",)]
    assert database.write(lambda tx: tx.query("PRAGMA foreign_keys")) == [(1,)]


def test_a_database_in_memory_reads_what_it_wrote(opened: OpenDatabase) -> None:
    database = opened(uri="sqlite::memory:")
    database.write(add("a"))
    assert words(database) == ["a"]
    with database.read() as tx:
        database.write(add("b"))  # one connection: the snapshot is the present
        assert len(tx.query("SELECT text FROM word")) == 2


@pytest.mark.parametrize("uri", ["", "lab.db", "sqlite:", "oracle:/x", "sqlite:lab.db"])
def test_a_uri_without_engine_or_absolute_path_is_refused(
    opened: OpenDatabase, uri: str
) -> None:
    with pytest.raises(BadInput):
        opened(uri=uri)


def test_a_missing_folder_is_said_so(opened: OpenDatabase, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        opened(uri=f"sqlite:{tmp_path}/no/such/folder.db")


@pytest.mark.parametrize("name", ["per cent %41.db", "hash#mark?.db", "ümlaut .db"])
def test_a_path_with_marks_of_a_uri_is_one_file(
    opened: OpenDatabase, tmp_path: Path, name: str
) -> None:
    opened(uri=f"sqlite:{tmp_path}/{name}").write(add("a"))
    assert (tmp_path / name).stat().st_size > 0


def test_a_file_that_is_no_database_is_damaged(opened: OpenDatabase, path: Path) -> None:
    path.write_bytes(b"these are my notes, not a database" * 100)
    with pytest.raises(DatabaseDamaged):
        opened()


def test_damaged_pages_are_found(opened: OpenDatabase, path: Path) -> None:
    database = opened()
    rows = [(f"w{number}",) for number in range(2000)]
    database.write(lambda tx: tx.execute_many("INSERT INTO word (text) VALUES (?)", rows))
    assert database.check() == []
    database.close()
    content = bytearray(path.read_bytes())
    for page in range(3, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(DatabaseDamaged):
        words(opened())
    assert opened().check()


def test_opened_for_reading_only_it_writes_nothing(opened: OpenDatabase) -> None:
    opened().write(add("a"))
    reader = opened(read_only=True)
    assert words(reader) == ["a"]
    with pytest.raises(NotAllowed):
        reader.write(add("b"))


def test_opened_for_reading_only_it_must_exist(opened: OpenDatabase, path: Path) -> None:
    with pytest.raises(NotFound):
        opened(read_only=True)
    assert not path.exists()

"""A PostgreSQL server that is restarted, killed, full, slow, or not what it should be."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cloister.core.errors import (
    BadInput,
    CloisterError,
    Conflict,
    DatabaseDown,
    DurabilityLost,
    NoSpace,
    NotAllowed,
    NotFound,
)
from cloister.core.events import Transaction
from cloister.db import (
    Database,
    claim,
    open_database,
    postgresql_connection,
    postgresql_writer,
    release,
)
from cloister.db import postgresql as engine
from cloister.testing.database_suite import WORDS, add, words
from tests.attacks.killing import wait_until
from tests.faults import small_disk
from tests.faults.postgres import PostgresServer, postgres_server

spawn = get_context("spawn")
_numbers = itertools.count()
Opened = Callable[..., Database]


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server of this module's own, which its tests stop and kill."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def server(own: PostgresServer) -> PostgresServer:
    """Running, whatever the test before did to it."""
    if own.process is None:
        own.start()
    return own


@pytest.fixture
def uri(server: PostgresServer) -> str:
    return server.uri(f"faults_{next(_numbers)}")


@pytest.fixture
def opened(uri: str) -> Iterator[Opened]:
    databases: list[Database] = []

    def open_one(uri: str = uri, **options: Any) -> Database:
        databases.append(open_database(uri, (WORDS,), **options))
        return databases[-1]

    yield open_one
    for database in databases:
        database.close()


def test_what_goes_in_one_trip_is_never_prepared(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = psycopg.Connection.connect

    def eager(**options: Any) -> Any:  # as the driver is after interrupts: it prepares at once
        return connect(**options, prepare_threshold=0)

    monkeypatch.setattr(psycopg.Connection, "connect", eager)
    database = opened()
    for text in ("one", "two", "three"):
        database.write(add(text))
    assert words(database) == ["one", "two", "three"]


@pytest.mark.parametrize("end", ["restarted", "crashed", "killed"])
def test_writers_outlive_a_server_and_every_acknowledged_write_is_there_once(
    opened: Opened, server: PostgresServer, end: str
) -> None:
    database = opened()
    acknowledged: list[str] = []
    stop = threading.Event()

    def write(worker: int) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            text = f"{worker}.{number}"
            database.write(add(text))
            acknowledged.append(text)

    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(write, worker) for worker in range(6)]
        for reached in (10, 20):
            wait_until(lambda reached=reached: len(acknowledged) > reached)
            if end == "killed":
                server.kill()
            else:
                server.stop(signal.SIGINT if end == "restarted" else signal.SIGQUIT)
            server.start()
        wait_until(lambda: len(acknowledged) > 30)
        stop.set()
        for writer in writers:
            writer.result()  # no writer was told of an error
    assert sorted(words(database)) == sorted(acknowledged)


def test_everybody_who_reads_waits_for_a_server_that_was_there(
    opened: Opened, server: PostgresServer
) -> None:
    database = opened()
    database.write(add("a"))
    assert words(database) == ["a"]  # one session rests; the others have none to miss
    server.stop()
    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(words, database) for _ in range(4)]
        time.sleep(1)
        server.start()
        assert [one.result() for one in readers] == [["a"]] * 4


def test_a_server_that_is_gone_before_the_commit_is_an_error_that_changes_nothing(
    opened: Opened, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RETRY_S", 0.2)
    database = opened()
    database.write(add("a"))
    server.stop()
    with pytest.raises(DatabaseDown):
        database.write(add("b"))
    with pytest.raises(DatabaseDown), database.read():
        pass
    server.start()
    database.write(add("c"))
    assert words(database) == ["a", "c"]


def test_a_server_that_goes_in_the_middle_of_a_commit_and_stays_away_ends_all_writing(
    opened: Opened, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_writer, "DECIDE_S", 0.2)

    def disturb(_: Transaction) -> None:
        if server.process is not None:
            server.stop(signal.SIGQUIT)

    database = opened(before_commit=disturb)
    with pytest.raises(DurabilityLost):
        database.write(add("a"))
    server.start()
    with pytest.raises(DurabilityLost):
        database.write(add("b"))
    assert words(opened()) == []


class LossyWire:
    """Between client and server: loses the answer to the next COMMIT, and the connection."""

    def __init__(self, folder: Path, behind: Path) -> None:
        self.lossy = False
        self.lost = 0
        self._behind = str(behind)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, suppress(OSError):
            server.connect(self._behind)
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()
            while data := client.recv(1 << 16):
                dooms = self.lossy and b"; COMMIT" in data
                server.sendall(data)
                if dooms:
                    self.lossy = False
                    self.lost += 1
                    client.shutdown(socket.SHUT_RDWR)
                    time.sleep(0.2)  # the server commits

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)


@pytest.fixture
def wire(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = server.folder / f"wire-{next(_numbers)}"
    folder.mkdir()
    made = LossyWire(folder, server.folder / ".s.PGSQL.5432")
    made.folder = folder  # type: ignore[attr-defined]
    yield made
    made.close()


def test_a_commit_whose_answer_was_lost_is_found_and_not_repeated(
    opened: Opened, server: PostgresServer, wire: Any
) -> None:
    database = opened(f"postgresql://lab@/lab?host={wire.folder}&schema=lossy")
    runs: list[str] = []

    def counts(tx: Transaction) -> str:
        runs.append("ran")
        add("a")(tx)
        return "mine"

    database.write(add("first"))
    wire.lossy = True
    assert database.write(counts) == "mine"
    assert wire.lost == 1
    assert runs == ["ran"]
    database.write(add("b"))
    assert words(database) == ["first", "a", "b"]


def test_a_connection_that_breaks_inside_an_operation_runs_it_again(
    opened: Opened, server: PostgresServer
) -> None:
    database = opened()
    runs: list[int] = []

    def disturbed(tx: Transaction) -> None:
        add("a")(tx)
        [(pid,)] = tx.query("SELECT pg_backend_pid()")
        runs.append(pid)
        if len(runs) == 1:
            server.psql(f"SELECT pg_terminate_backend({pid})")
        add("b")(tx)

    database.write(disturbed)
    assert len(runs) == 2
    assert words(database) == ["a", "b"]


def test_an_operation_that_swallows_an_error_loses_itself_alone(opened: Opened) -> None:
    database = opened()
    database.write(add("a"))

    def careless(tx: Transaction) -> None:
        with suppress(Conflict):
            add("a")(tx)

    with pytest.raises(RuntimeError, match="use savepoint"):
        database.write(careless)
    database.write(add("b"))
    assert words(database) == ["a", "b"]


def stall(uri: str, told: Connection) -> None:
    """A box that stops answering while it has the lock, and comes back later."""
    postgresql_connection.STALLED_S = 1
    database = open_database(uri, (WORDS,))

    def slow(tx: Transaction) -> None:
        add("slow")(tx)
        told.send("inside")
        if told.recv() == "stall":
            os.kill(os.getpid(), signal.SIGSTOP)

    database.write(slow)
    told.send("done")


def test_a_box_that_stalls_inside_a_write_holds_the_others_up_for_a_while_only(
    opened: Opened, uri: str
) -> None:
    database = opened()
    here, there = spawn.Pipe()
    child = spawn.Process(target=stall, args=(uri, there))
    child.start()
    assert here.recv() == "inside"
    here.send("stall")
    started = time.monotonic()
    database.write(add("quick"))
    assert 0.5 < time.monotonic() - started < 20
    assert child.pid is not None
    os.kill(child.pid, signal.SIGCONT)
    assert here.recv() == "inside"  # it lost its transaction, and does it again
    here.send("go on")
    assert here.recv() == "done"
    child.join()
    assert words(database) == ["quick", "slow"]


def test_two_boxes_write_by_turns_and_each_sees_the_other(opened: Opened, uri: str) -> None:
    database = opened()
    children = [spawn.Process(target=write_some, args=(uri, box)) for box in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert sorted(words(database)) == sorted(f"{b}.{n}" for b in range(3) for n in range(20))


def write_some(uri: str, box: int) -> None:
    for number in range(20):
        database = open_database(uri, (WORDS,))
        database.write(add(f"{box}.{number}"))
        database.close()


def test_somebody_who_holds_the_lock_too_long_is_a_conflict(
    opened: Opened, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, done = threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        held.set()
        done.wait(30)

    other = opened()
    monkeypatch.setattr(postgresql_connection, "BUSY_TIMEOUT_S", 1)
    database = opened()
    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(other.write, hold)
        assert held.wait(10)
        with pytest.raises(Conflict, match="held the database"):
            database.write(add("a"))
        assert words(database) == []  # readers do not wait
        done.set()
        holding.result()
    database.write(add("b"))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ("host=/nowhere", DatabaseDown, "cannot be reached"),
        ("port=5431", DatabaseDown, "cannot be reached"),
        ("user=stranger", NotFound, "does not exist"),
        ("dbname", NotFound, "does not exist"),
        ("schema=pg_mine", BadInput, "schema"),
        ("schema=x;drop", BadInput, "schema"),
        ("sslmode=disable&host=db.example", BadInput, "verify-full"),
        ("host=one,two", BadInput, "several hosts"),
        ("password=x", BadInput, "password"),
        ("options=-cfsync", BadInput, "unknown setting options"),
        ("port=99999", BadInput, "port"),
    ],
)
def test_what_cannot_be_reached_says_why(
    server: PostgresServer, change: str, error: type[CloisterError], says: str
) -> None:
    uri = server.uri("reach")
    name, _, value = change.partition("=")
    if name == "dbname":
        uri = uri.replace("/lab?", "/other?")
    elif name == "user":
        uri = uri.replace("lab@", f"{value}@")
    elif f"{name}=" in uri:
        uri = uri.replace(f"{name}={server.folder if name == 'host' else 'reach'}", change)
    else:
        uri += f"&{change.replace('&host=db.example', '')}"
        uri = uri.replace(str(server.folder), "db.example") if "db.example" in change else uri
    with pytest.raises(error, match=says):
        open_database(uri, (WORDS,))


def test_a_password_in_the_uri_is_refused_and_not_shown() -> None:
    with pytest.raises(BadInput) as caught:
        open_database("postgresql://lab:hunter2@db/lab", (WORDS,))
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"
    assert ".pgpass" in str(caught.value.hint)


def test_a_password_comes_from_a_file_and_a_wrong_one_is_refused(
    server: PostgresServer, tmp_path: Path
) -> None:
    rules = server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    server.psql("CREATE ROLE careful LOGIN PASSWORD 'tr0ub4dor'")
    server.psql("GRANT ALL ON DATABASE lab TO careful")
    rules.write_text(f"local lab careful scram-sha-256\nlocal lab plain password\n{before}")
    server.psql("SELECT pg_reload_conf()")
    passes = tmp_path / "passes"
    try:
        for password, allowed in (("wrong", False), ("tr0ub4dor", True)):
            passes.write_text(f"*:*:lab:*:{password}\n")
            passes.chmod(0o600)
            uri = f"{server.uri('guarded', user='careful')}&passfile={passes}"
            if allowed:
                database = open_database(uri, (WORDS,))
                assert words(database) == []
                database.close()
            else:
                with pytest.raises(NotAllowed) as caught:
                    open_database(uri, (WORDS,))
                assert password not in str(caught.value)
        # A server that asks for the password in clear may not be the one it says it is.
        server.psql("CREATE ROLE plain LOGIN PASSWORD 'tr0ub4dor'")
        with pytest.raises(NotAllowed, match="cleartext password"):
            open_database(uri.replace("careful@", "plain@"), (WORDS,))
    finally:
        rules.write_text(before)
        server.psql("SELECT pg_reload_conf()")


def test_a_server_that_forgets_what_it_acknowledged_is_refused(
    server: PostgresServer, uri: str
) -> None:
    server.stop()
    server.start(fsync="off")
    try:
        with pytest.raises(BadInput, match="fsync=off"):
            open_database(uri, (WORDS,))
    finally:
        server.stop()


def test_a_server_that_answers_before_its_disk_has_it_is_told_to_wait(
    server: PostgresServer, uri: str
) -> None:
    server.stop()
    server.start(synchronous_commit="off")
    try:
        database = open_database(uri, (WORDS,))
        setting = "SELECT current_setting('synchronous_commit')"
        assert database.write(lambda tx: tx.query(setting)) == [("on",)]
        database.close()
    finally:
        server.stop()


def test_a_database_of_another_encoding_is_refused(server: PostgresServer) -> None:
    server.psql("CREATE DATABASE old OWNER lab ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(BadInput, match="LATIN1"):
        open_database(server.uri(database="old"), (WORDS,))


def test_text_with_a_zero_byte_is_refused(opened: Opened) -> None:
    database = opened()
    with pytest.raises(BadInput, match="zero byte"):
        database.write(add("a\0b"))
    assert words(database) == []


def test_a_claimed_schema_is_emptied_by_whoever_claimed_it_alone(
    opened: Opened, uri: str
) -> None:
    claim(uri, "mine")
    opened().write(add("unfinished"))
    with pytest.raises(Conflict, match="holds a lab"):
        claim(uri, "another's")
    assert words(opened()) == ["unfinished"]
    claim(uri, "mine")
    assert words(opened()) == []
    release(uri)
    with pytest.raises(Conflict):
        claim(uri, "mine")


def test_damaged_pages_are_found(own: PostgresServer) -> None:
    with postgres_server() as server:
        server.stop()
        server.checksums()
        server.start()
        uri = server.uri("rotten")
        database = open_database(uri, (WORDS,))
        for number in range(300):
            database.write(add(f"{number} " + "x" * 100))
        assert database.check() == []
        database.close()
        path = server.psql("SELECT pg_relation_filepath('rotten.word')", database="lab")
        server.stop()
        file = server.folder / "data" / path
        content = bytearray(file.read_bytes())
        content[8192 + 4000] ^= 1
        file.write_bytes(content)
        server.start()
        found = open_database(uri, (WORDS,), read_only=True)
        assert any("word" in problem for problem in found.check())
        found.close()
        server.stop()


def test_a_full_disk_loses_nothing_acknowledged_and_the_server_goes_on() -> None:
    if os.geteuid() != 0:
        pytest.skip("no root and no user namespaces: a full disk cannot be tested")
    place = Path(tempfile.mkdtemp(prefix="cl-full-"))
    place.chmod(0o711)
    with small_disk(place, 160) as disk, postgres_server(disk.path) as server:
        database = open_database(server.uri(), (WORDS,))
        acknowledged: list[str] = []
        database.write(add("a"))
        server.psql("CHECKPOINT")
        disk.fill(24 << 20)
        with pytest.raises((NoSpace, DatabaseDown, DurabilityLost)):
            fill_up(database, acknowledged)
        disk.drain()
        if not server.answers():
            server.stop(signal.SIGQUIT)
            server.start()
        again = open_database(server.uri(), (WORDS,))
        there = words(again)
        assert there[: len(acknowledged) + 1] == ["a", *acknowledged]
        assert len(there) <= len(acknowledged) + 2  # the one whose end nobody could tell
        again.write(add("after"))
        assert words(again)[-1] == "after"
        again.close()
        database.close()
    place.rmdir()


def fill_up(database: Database, acknowledged: list[str]) -> None:
    """A megabyte at a time, of what cannot be made smaller."""
    sql = "INSERT INTO word (id, text, body) VALUES (?, ?, ?)"
    for number in range(2, 200):
        row = (number, str(number), os.urandom(1 << 20))
        database.write(lambda tx, row=row: tx.execute(sql, row))  # type: ignore[misc]
        acknowledged.append(str(number))

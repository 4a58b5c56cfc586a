"""What every database engine must pass: subclass `DatabaseSuite` and say how to open one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from cloister.core.errors import BadInput, CloisterError, Conflict, DurabilityLost, NotAllowed
from cloister.core.errors import NotFound as Missing
from cloister.core.events import SqlValue, Transaction
from cloister.db import (
    Database,
    Migration,
    definitions,
    expected_definitions,
    savepoint,
    scratch_database,
)

WORDS = Migration(
    "words",
    1,
    (
        "CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, weight REAL,"
        " body BLOB, note TEXT DEFAULT 'none', CHECK (id >= 0))",
        "CREATE INDEX word_weight ON word (weight, id DESC)",
    ),
)
SECOND = Migration("words", 2, ("ALTER TABLE word ADD COLUMN extra INTEGER",))
OTHER = Migration("other", 1, ("CREATE TABLE other (name TEXT, place INTEGER)",))
_ADD = "INSERT INTO word (id, text) SELECT COALESCE(MAX(id), 0) + 1, ? FROM word"


def add(text: str) -> Callable[[Transaction], int]:
    """Writes one word."""
    return lambda tx: tx.execute(_ADD, (text,))


def words(database: Database) -> list[str]:
    """All words, in the order they came."""
    with database.read() as tx:
        return [text for (text,) in tx.query("SELECT text FROM word ORDER BY id")]


class DatabaseSuite:
    """Conformance of one engine. Override `open`; pytest finds the rest."""

    def open(self, place: Path, *migrations: Migration, **options: Any) -> Database:
        """The database that belongs to ``place``, a folder of this test, made if missing."""
        raise NotImplementedError

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Iterator[Callable[..., Database]]:
        """Opens the test's database; everything opened closes with the test."""
        with ExitStack() as stack:

            def open_one(*migrations: Migration, **options: Any) -> Database:
                database = self.open(tmp_path, *(migrations or (WORDS,)), **options)
                stack.callback(database.close)
                return database

            yield open_one

    @pytest.fixture
    def database(self, opened: Callable[..., Database]) -> Database:
        return opened()

    def test_what_was_written_is_there_when_opened_again(
        self, opened: Callable[..., Database]
    ) -> None:
        assert opened().write(add("a")) == 1
        assert words(opened()) == ["a"]

    def test_values_come_back_as_they_went(self, database: Database) -> None:
        rows: list[tuple[Any, ...]] = [
            (1, "plain", 0.5, b"\0\xff", None),
            (2, "Ünïcödé 你好 \U0001f600", float("inf"), b"", "x"),
            (2**63 - 1, "", -0.25, bytes(range(256)), ""),
            (3, "quote ' and \" and ? and :name and %s and \\", 1e-308, None, "\n\t"),
        ]
        sql = "INSERT INTO word (id, text, weight, body, note) VALUES (?, ?, ?, ?, ?)"
        database.write(lambda tx: tx.execute_many(sql, rows))
        with database.read() as tx:
            found = tx.query("SELECT id, text, weight, body, note FROM word ORDER BY id")
        assert [tuple(map(repr, row)) for row in found] == [
            tuple(map(repr, row)) for row in sorted(rows)
        ]

    def test_numbers_and_truths_are_those_of_python(self, database: Database) -> None:
        database.write(lambda tx: [add(text)(tx) for text in "abcd"])
        with database.read() as tx:
            [row] = tx.query(
                "SELECT COUNT(*), SUM(id), MAX(text), AVG(weight), COUNT(*) = 4,"
                " CAST(MAX(id) AS TEXT), LENGTH(MIN(text)) FROM word WHERE id > ?",
                (False,),
            )
        assert [repr(value) for value in row] == ["4", "10", "'d'", "None", "1", "'4'", "1"]

    def test_what_does_not_fit_is_refused(self, database: Database) -> None:
        with pytest.raises(OverflowError):
            database.write(
                lambda tx: tx.execute(_ADD.replace("?", "CAST(? AS TEXT)"), (2**63,))
            )
        with pytest.raises(UnicodeEncodeError):
            database.write(add("\ud800"))
        assert words(database) == []

    def test_placeholders_are_told_from_what_stands_in_quotes(self, database: Database) -> None:
        with database.read() as tx:
            [row] = tx.query(
                "SELECT '?', ':name', 'it''s ?', :name, /* ? :x */ :other, :name -- ?\n",
                {"name": "n", "other": "o", "unused": 1},
            )
            assert row == ("?", ":name", "it's ?", "n", "o", "n")
            assert tx.query('SELECT ? AS "a?b"', ("v",)) == [("v",)]

    def test_a_value_may_be_absent(self, database: Database) -> None:
        database.write(add("a"))
        sql = "SELECT text FROM word WHERE (? IS NULL OR id < ?) AND (:n IS NULL OR id < :n)"
        for number, found in ((None, 1), (5, 1), (0, 0)):
            with database.read() as tx:
                one = sql.partition(" AND ")[0]
                assert len(tx.query(one, (number, number))) == found
                other = sql.replace("(? IS NULL OR id < ?) AND ", "")
                assert len(tx.query(other, {"n": number})) == found

    def test_text_is_ordered_by_its_bytes_and_bytes_too(self, database: Database) -> None:
        texts = ["b", "B", "a", "é", "Z", "~", "_", "10", "9", "a b", "a-b", "\U0001f600"]
        database.write(lambda tx: [add(text)(tx) for text in texts])
        database.write(lambda tx: tx.execute("UPDATE word SET body = NULL"))
        with database.read() as tx:
            found = [text for (text,) in tx.query("SELECT text FROM word ORDER BY text")]
            [(beyond,)] = tx.query("SELECT COUNT(*) FROM word WHERE text > ?", ("_",))
        assert found == sorted(texts, key=str.encode)
        assert beyond == sum(text.encode() > b"_" for text in texts)

    def test_likeness_tells_capitals_and_lower_only_knows_ascii(
        self, database: Database
    ) -> None:
        database.write(lambda tx: [add(text)(tx) for text in ("Loss", "loss", "ÉTÉ", "été")])

        def found(condition: str, pattern: str) -> list[tuple[Any, ...]]:
            sql = f"SELECT text FROM word WHERE {condition} ESCAPE '\\' ORDER BY id"  # noqa: S608
            with database.read() as tx:
                return tx.query(sql, (pattern,))

        assert found("text LIKE ?", "L%") == [("Loss",)]
        assert found("text LIKE ?", "l_ss") == [("loss",)]
        assert found("text LIKE ?", "l\\_ss") == []
        assert found("LOWER(text) LIKE LOWER(?)", "LO%") == [("Loss",), ("loss",)]
        assert found("LOWER(text) LIKE LOWER(?)", "ÉT%") == [("ÉTÉ",)]

    def test_bytes_are_found_within_bytes(self, database: Database) -> None:
        sql = "INSERT INTO word (id, text, body) VALUES (1, 'a', ?)"
        database.write(lambda tx: tx.execute(sql, (b"\0some needle here",)))
        count = "SELECT COUNT(*) FROM word WHERE instr(body, ?) > 0"
        with database.read() as tx:
            assert tx.query(count, (b"needle",)) == [(1,)]
            assert tx.query(count, (b"Needle",)) == [(0,)]

    def test_a_row_that_is_there_can_be_replaced_or_kept(self, database: Database) -> None:
        keep = "INSERT INTO word (id, text) VALUES (1, ?) ON CONFLICT (id) DO NOTHING"
        replace = (
            "INSERT INTO word (id, text) VALUES (1, ?) ON CONFLICT (id)"
            " DO UPDATE SET text = excluded.text"
        )
        assert database.write(lambda tx: tx.execute(keep, ("first",))) == 1
        assert database.write(lambda tx: tx.execute(keep, ("second",))) == 0
        assert words(database) == ["first"]
        assert database.write(lambda tx: tx.execute(replace, ("third",))) == 1
        assert words(database) == ["third"]

    def test_an_operation_that_raises_changes_nothing(self, database: Database) -> None:
        def fails(tx: Transaction) -> None:
            add("lost")(tx)
            raise LookupError("mine")

        with pytest.raises(LookupError, match="mine"):
            database.write(fails)
        database.write(add("next"))
        assert words(database) == ["next"]

    def test_a_constraint_is_a_conflict_that_shows_no_value(self, database: Database) -> None:
        database.write(add("secret name"))
        with pytest.raises(Conflict) as caught:
            database.write(add("secret name"))
        assert "secret name" not in str(caught.value)
        with pytest.raises(Conflict):
            database.write(lambda tx: tx.execute("INSERT INTO word (id) VALUES (7)"))
        with pytest.raises(Conflict):
            database.write(
                lambda tx: tx.execute("INSERT INTO word (id, text) VALUES (-1, 'x')")
            )

    def test_part_of_an_operation_can_be_undone_alone(self, database: Database) -> None:
        def writes(tx: Transaction) -> None:
            add("a")(tx)
            for text in ("b", "a", "c"):
                with suppress(Conflict), savepoint(tx):
                    add(f"{text} and")(tx)
                    with savepoint(tx):
                        add(text)(tx)

        database.write(writes)
        assert words(database) == ["a", "b and", "b", "c and", "c"]

    def test_rows_can_be_written_in_bulk_and_streamed(self, database: Database) -> None:
        rows: list[dict[str, SqlValue]] = [
            {"id": number, "text": f"w{number}"} for number in range(5000)
        ]
        sql = "INSERT INTO word (id, text) VALUES (:id, :text)"
        database.write(lambda tx: tx.execute_many(sql, iter(rows)))
        with database.read() as tx:
            stream = tx.iterate("SELECT text FROM word WHERE id >= ? ORDER BY id", (10,))
            first = next(stream)
            assert tx.query("SELECT COUNT(*) FROM word") == [(5000,)]
            other = tx.iterate("SELECT id FROM word ORDER BY id DESC")
            assert next(other) == (4999,)
            assert [first, *stream] == [(row["text"],) for row in rows[10:]]
        assert database.write(lambda tx: len(list(tx.iterate("SELECT id FROM word")))) == 5000

    def test_a_snapshot_does_not_move(self, database: Database) -> None:
        database.write(add("a"))
        with database.read() as before:
            assert before.query("SELECT COUNT(*) FROM word") == [(1,)]
            database.write(add("b"))
            assert before.query("SELECT COUNT(*) FROM word") == [(1,)]
        assert words(database) == ["a", "b"]

    def test_a_snapshot_cannot_write(self, database: Database) -> None:
        with database.read() as tx, pytest.raises(NotAllowed):
            add("a")(tx)
        assert words(database) == []

    def test_a_transaction_kept_beyond_its_end_is_refused(self, database: Database) -> None:
        kept = database.write(lambda tx: tx)
        with database.read() as snapshot:
            pass
        for stale in (kept, snapshot):
            with pytest.raises(RuntimeError, match="has ended"):
                stale.query("SELECT 1")

    def test_a_write_inside_a_write_is_refused_not_a_deadlock(self, database: Database) -> None:
        with pytest.raises(RuntimeError, match="inside a write"):
            database.write(lambda tx: database.write(add("a")))
        database.write(add("b"))
        assert words(database) == ["b"]

    def test_readers_may_nest_and_outnumber_the_pool(self, database: Database) -> None:
        database.write(add("a"))
        with ExitStack() as stack:
            snapshots = [stack.enter_context(database.read()) for _ in range(20)]
            assert {tx.query("SELECT text FROM word")[0] for tx in snapshots} == {("a",)}

    def test_many_threads_lose_nothing_and_no_reader_sees_a_half(
        self, database: Database
    ) -> None:
        failures: list[int] = []
        stop = threading.Event()

        def write(worker: int) -> None:
            for number in range(25):
                pair = [f"{worker}.{number}.{half}" for half in "ab"]
                database.write(lambda tx, pair=pair: [add(text)(tx) for text in pair])  # type: ignore[misc]

        def read() -> None:
            while not stop.is_set():
                if len(words(database)) % 2:
                    failures.append(1)

        reader = threading.Thread(target=read)
        reader.start()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))
        stop.set()
        reader.join()
        assert not failures
        assert len(words(database)) == len(set(words(database))) == 400

    def test_two_that_opened_it_write_by_turns(self, opened: Callable[..., Database]) -> None:
        both = [opened(), opened()]

        def write(number: int) -> None:
            both[number % 2].write(add(str(number)))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(40)))
        assert sorted(words(both[0])) == sorted(map(str, range(40)))
        assert words(both[1]) == words(both[0])

    def test_hooks_run_once_a_commit_and_not_for_nothing(
        self, opened: Callable[..., Database]
    ) -> None:
        calls: list[str] = []

        def before(tx: Transaction) -> None:
            calls.append("before")
            add(f"sealed {len(calls)}")(tx)

        database = opened(before_commit=before, after_commit=lambda: calls.append("after"))
        database.write(add("a"))
        assert calls == ["before", "after"]
        assert words(database) == ["a", "sealed 1"]
        with pytest.raises(Conflict):
            database.write(add("a"))
        assert calls.count("before") == 1

    def test_a_refused_commit_changes_nothing(self, opened: Callable[..., Database]) -> None:
        def refuse(tx: Transaction) -> None:
            add("half")(tx)
            raise BadInput("no")

        with pytest.raises(BadInput, match="no"):
            opened(before_commit=refuse).write(add("a"))
        assert words(opened()) == []

    def test_lost_durability_is_final(self, opened: Callable[..., Database]) -> None:
        failures = [True]

        def fail_once(_: Transaction) -> None:
            if failures.pop():
                raise DurabilityLost("the disk failed")

        database = opened(before_commit=fail_once)
        for _ in range(2):
            with pytest.raises(DurabilityLost):
                database.write(add("a"))
        assert words(database) == []

    def test_it_is_brought_up_step_by_step_and_kept_as_it_was(
        self, opened: Callable[..., Database]
    ) -> None:
        told: list[str] = []
        opened(WORDS, on_upgrade=told.append).write(add("before"))
        assert told == []
        newer = opened(WORDS, SECOND, OTHER, on_upgrade=told.append)
        newer.write(lambda tx: tx.execute("UPDATE word SET extra = 7"))
        assert len(told) == 1
        opened(WORDS, SECOND, OTHER, on_upgrade=told.append)
        assert len(told) == 1
        assert words(newer) == ["before"]
        with pytest.raises(BadInput, match="which this program lacks"):
            opened(WORDS)

    def test_a_step_that_fails_leaves_none_of_its_statements(
        self, opened: Callable[..., Database]
    ) -> None:
        broken = Migration("words", 2, ("ALTER TABLE word ADD COLUMN extra TEXT", "SELEC"))
        opened().write(add("a"))
        with pytest.raises(Exception, match="syntax"):
            opened(WORDS, broken)
        assert words(opened()) == ["a"]
        opened(WORDS, SECOND)

    def test_opened_for_reading_only_it_must_exist_and_writes_nothing(
        self, opened: Callable[..., Database]
    ) -> None:
        with pytest.raises(Missing):
            opened(read_only=True)
        opened().write(add("a"))
        reader = opened(read_only=True)
        assert words(reader) == ["a"]
        with pytest.raises(NotAllowed):
            reader.write(add("b"))
        with pytest.raises(BadInput, match="lacks 1 migration"):
            opened(WORDS, SECOND, read_only=True)

    def test_its_definitions_are_those_of_its_migrations_until_somebody_adds_one(
        self, opened: Callable[..., Database]
    ) -> None:
        steps = (WORDS, SECOND, OTHER)
        database = opened(*steps)

        def differing() -> set[str]:
            with database.read() as live, scratch_database(steps) as scratch:
                found, expected = definitions(live), expected_definitions(live, scratch)
            return {name for name in found | expected if found.get(name) != expected.get(name)}

        assert differing() == set()
        database.write(lambda tx: tx.execute("CREATE INDEX mine ON other (place)"))
        database.write(lambda tx: tx.execute("DROP INDEX word_weight"))
        database.write(lambda tx: tx.execute("ALTER TABLE other ADD COLUMN more TEXT"))
        assert differing() == {"index mine", "index word_weight", "table other"}

    def test_a_sound_database_passes_its_check(self, database: Database) -> None:
        database.write(add("a"))
        assert database.check() == []

    def test_after_an_error_a_writer_goes_on(self, database: Database) -> None:
        for text in ("a", "a", "b"):
            with suppress(CloisterError):
                database.write(add(text))
        assert words(database) == ["a", "b"]

"""Group commit: many callers, one commit, each with its own outcome."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

import pytest

from cloister.core.errors import Conflict, DurabilityLost, KeysUnavailable
from cloister.core.events import Transaction
from cloister.db import Database
from tests.db.conftest import OpenDatabase
from tests.db.test_database import add, words


class Held:
    """Holds the first commit open until told, so that others queue behind it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()
        self.commits = 0

    def before_commit(self, _: Transaction) -> None:
        self.commits += 1
        if self.commits == 1:
            self.entered.set()
            assert self.release.wait(20)


def together(
    database: Database, held: Held, operations: list[Callable[[Transaction], object]]
) -> list[object]:
    """Runs the operations so that all but the first share one commit; gives outcomes."""
    outcomes: list[object] = [None] * len(operations)

    def run(place: int) -> None:
        try:
            outcomes[place] = database.write(operations[place])
        except BaseException as error:
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(operations))]
    threads[0].start()
    assert held.entered.wait(20)
    for thread in threads[1:]:
        thread.start()
    while len(database._group._queue) < len(operations):  # type: ignore[attr-defined]
        pass
    held.release.set()
    for thread in threads:
        thread.join()
    return outcomes


def test_callers_that_wait_share_one_commit(opened: OpenDatabase) -> None:
    held = Held()
    database = opened(before_commit=held.before_commit)
    outcomes = together(database, held, [add(f"w{number}") for number in range(30)])
    assert outcomes == [1] * 30
    assert held.commits == 2
    assert len(words(database)) == 30


def test_one_that_raises_takes_no_other_with_it(opened: OpenDatabase) -> None:
    def fails(tx: Transaction) -> None:
        add("lost")(tx)
        raise LookupError("mine alone")

    held = Held()
    database = opened(before_commit=held.before_commit)
    outcomes = together(database, held, [add("a"), add("b"), fails, add("c"), add("b")])
    assert [type(outcome) for outcome in outcomes] in (
        [int, int, LookupError, int, Conflict],
        [int, Conflict, LookupError, int, int],  # the two that collide come in either order
    )
    assert sorted(words(database)) == ["a", "b", "c"]
    assert held.commits == 2


def test_a_refused_commit_is_refused_to_all_who_share_it(opened: OpenDatabase) -> None:
    class Refusing(Held):
        def before_commit(self, tx: Transaction) -> None:
            super().before_commit(tx)
            if self.commits == 2:
                raise KeysUnavailable("cannot sign")

    held = Refusing()
    database = opened(before_commit=held.before_commit)
    outcomes = together(database, held, [add("a"), add("b"), add("c")])
    assert [type(outcome) for outcome in outcomes] == [int, KeysUnavailable, KeysUnavailable]
    assert outcomes[1] is not outcomes[2]  # each caller raises its own
    database.write(add("d"))
    assert words(database) == ["a", "d"]


def test_ctrl_c_in_one_caller_does_not_cost_the_others(opened: OpenDatabase) -> None:
    """The interrupt reaches whoever leads; the others' operations run again and commit."""
    interrupted: list[bool] = []

    def interrupts_once(tx: Transaction) -> int:
        add("b")(tx)
        if not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        return 7

    held = Held()
    database = opened(before_commit=held.before_commit)
    operations = [add("a"), interrupts_once, add("c"), add("d")]
    outcomes = together(database, held, operations)
    stopped = [outcome for outcome in outcomes if isinstance(outcome, KeyboardInterrupt)]
    assert len(stopped) == 1
    assert len(words(database)) == 3
    assert held.commits == 2


def test_ctrl_c_after_the_commit_does_not_repeat_what_was_committed(
    opened: OpenDatabase,
) -> None:
    """A signal is told to Python when the system call is over: here, when all is durable."""

    class Interrupted:
        """The writer's connection; one signal comes during its second COMMIT."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection
            self.commits = 0

        def __getattr__(self, name: str) -> object:
            return getattr(self.connection, name)

        def execute(self, sql: str, *values: object) -> object:
            cursor = self.connection.execute(sql, *values)  # type: ignore[arg-type]
            self.commits += sql == "COMMIT"
            if sql == "COMMIT" and self.commits == 2:
                raise KeyboardInterrupt
            return cursor

    held = Held()
    database = opened(before_commit=held.before_commit)
    database._writer = Interrupted(database._writer)  # type: ignore[attr-defined]
    outcomes = together(database, held, [add(f"w{number}") for number in range(10)])
    assert [type(outcome) for outcome in outcomes].count(KeyboardInterrupt) == 1
    assert outcomes.count(1) == 9
    assert len(words(database)) == 10
    database.write(add("next"))
    assert held.commits == 3


def test_hooks_run_once_a_commit_and_not_for_nothing(opened: OpenDatabase) -> None:
    calls: list[str] = []
    database = opened(
        before_commit=lambda tx: calls.append("before"),
        after_commit=lambda: calls.append("after"),
    )
    database.write(add("a"))
    assert calls == ["before", "after"]
    with pytest.raises(Conflict):
        database.write(add("a"))
    assert calls == ["before", "after"] or calls == ["before", "after", "after"]


def test_a_hook_writes_in_the_transaction_it_seals(opened: OpenDatabase) -> None:
    def count(tx: Transaction) -> None:
        tx.execute("INSERT INTO word (text) SELECT 'sealed ' || COUNT(*) FROM word")

    database = opened(before_commit=count)
    database.write(add("a"))
    assert words(database) == ["a", "sealed 1"]


def test_lost_durability_is_final(opened: OpenDatabase) -> None:
    """A disk that failed once is not asked again, whatever it would say."""
    failures: list[bool] = [True]

    def fail_once(_: Transaction) -> None:
        if failures.pop():
            raise DurabilityLost("the disk failed")

    database = opened(before_commit=fail_once)
    for _ in range(2):
        with pytest.raises(DurabilityLost):
            database.write(add("a"))
    assert words(database) == []


def test_many_threads_lose_nothing(database: Database) -> None:
    def work(worker: int) -> None:
        for number in range(100):
            database.write(add(f"{worker}.{number}"))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(words(database)) == sorted(f"{w}.{n}" for w in range(16) for n in range(100))

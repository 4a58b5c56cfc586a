"""What every executor of calls must keep; subclass it and give it a fixture ``executor``."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgpack  # type: ignore[import-untyped]

from cloister.pipelines.executor import Call, Ended, Executor
from cloister.pipelines.values import NODE, decode, encode

FLOW = """
import os, time
from pathlib import Path
import cloister as cl

@cl.task
def echo(x): return x
@cl.task
def fail(): raise ValueError("no")
@cl.task
def write(text):
    Path("made.txt").write_text(text)
    return cl.File("made.txt")
@cl.task
def read(file): return file.read_text()
@cl.task
def die(): os._exit(9)
@cl.task
def sleep(): time.sleep(60)

with cl.pipeline("suite"):
    echo(1); fail(); read(write("a")); die(); sleep()
"""
"""The file that the fixture's executor has read; its tasks are counted in this order."""
ECHO, FAIL, WRITE, READ, DIE, SLEEP = range(6)


class ExecutorSuite:
    """The promises of ``cloister.pipelines.executor.Executor``."""

    def ended(self, executor: Executor, count: int, limit_s: float = 30.0) -> Sequence[Ended]:
        """So many calls that ended."""
        found: list[Ended] = []
        until = time.monotonic() + limit_s
        while len(found) < count and time.monotonic() < until:
            found += executor.poll(0.2)
        assert len(found) == count
        return sorted(found, key=lambda one: one.number)

    def arguments(self, **given: object) -> bytes:
        """As a plan holds them."""
        return encode(given)

    def test_every_call_is_reported_once_with_its_own_value(self, executor: Executor) -> None:
        """More than there is room for, too."""
        for number in range(1, 41):
            executor.submit(Call(number, ECHO, self.arguments(x=[number])))
        found = self.ended(executor, 40)
        assert [one.number for one in found] == list(range(1, 41))
        assert [decode(one.value) for one in found] == [[n] for n in range(1, 41)]
        assert executor.poll(0.05) == []

    def test_what_was_raised_is_named_and_not_told(self, executor: Executor) -> None:
        """Its text may hold a patient's name; it is in the log, which is sealed."""
        executor.submit(Call(1, FAIL, self.arguments()))
        (found,) = self.ended(executor, 1)
        assert (found.ok, found.error) == (False, "ValueError")

    def test_a_value_and_its_file_reach_the_next_call(self, executor: Executor) -> None:
        """Through whoever schedules, as bytes."""
        executor.submit(Call(1, WRITE, self.arguments(text="hello")))
        (made,) = self.ended(executor, 1)
        assert made.files == (("made.txt", b"hello"),)
        arguments = msgpack.packb({"file": msgpack.ExtType(NODE, b"7")})
        executor.submit(Call(2, READ, arguments, {7: made.value}, {7: made.files}))
        (found,) = self.ended(executor, 1)
        assert decode(found.value) == "hello"

    def test_a_cancelled_call_is_reported(self, executor: Executor) -> None:
        """Before it began."""
        for number in (1, 2, 3, 4):
            executor.submit(Call(number, ECHO, self.arguments(x=1)))
        executor.cancel(4)
        assert [one.number for one in self.ended(executor, 4)] == [1, 2, 3, 4]


class ProcessSuite(ExecutorSuite):
    """And those that take processes: a call can die, or be late, without the executor."""

    def test_a_call_that_dies_is_reported_and_the_next_is_made(
        self, executor: Executor
    ) -> None:
        """Nothing waits for ever."""
        executor.submit(Call(1, DIE, self.arguments()))
        (found,) = self.ended(executor, 1)
        assert not found.ok
        executor.submit(Call(2, ECHO, self.arguments(x=2)))
        (found,) = self.ended(executor, 1)
        assert decode(found.value) == 2

    def test_a_call_has_its_time_and_no_more(self, executor: Executor) -> None:
        """And is said to have had it."""
        began = time.monotonic()
        executor.submit(Call(1, SLEEP, self.arguments(), timeout_s=0.3))
        (found,) = self.ended(executor, 1)
        assert (found.ok, found.error) == (False, "timeout")
        assert time.monotonic() - began < 20

    def test_a_call_under_way_is_cancelled(self, executor: Executor) -> None:
        """And said to have ended."""
        executor.submit(Call(1, SLEEP, self.arguments()))
        executor.poll(0.3)
        executor.cancel(1)
        (found,) = self.ended(executor, 1)
        assert (found.number, found.ok) == (1, False)

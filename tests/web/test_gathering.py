"""Requests answered together: who comes meanwhile comes along, and each has its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloister.web.mlflow.gathering import Gatherer


class Slow:
    """Answers a group by its length, the first group only when it is told to."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = threading.Event()
        self.groups: list[list[int]] = []
        self._loop = asyncio.get_running_loop()

    def __call__(self, group: Sequence[int]) -> list[int]:
        self.groups.append(list(group))
        if len(self.groups) == 1:
            self._loop.call_soon_threadsafe(self.begun.set)
            assert self.go_on.wait(20)
        if -1 in group:
            raise LookupError("all of them")
        return [10 * number for number in group]


async def behind_the_first(numbers: Sequence[int]) -> tuple[list[object], Slow]:
    """What the numbers are answered that come while a first one is under way."""
    slow = Slow()
    with ThreadPoolExecutor(1) as threads:
        gathered: Gatherer[int, int] = Gatherer(threads, slow)
        first = asyncio.ensure_future(gathered(0))
        await slow.begun.wait()
        others = [asyncio.ensure_future(gathered(number)) for number in numbers]
        await asyncio.sleep(0)
        slow.go_on.set()
        assert await first == 0
        return await asyncio.gather(*others, return_exceptions=True), slow


def test_who_comes_meanwhile_is_answered_together_in_order() -> None:
    answers, slow = asyncio.run(behind_the_first([3, 1, 2]))
    assert answers == [30, 10, 20]
    assert slow.groups == [[0], [3, 1, 2]]


def test_a_crowd_is_answered_by_bounded_groups() -> None:
    answers, slow = asyncio.run(behind_the_first(range(1, 201)))
    assert answers == [10 * number for number in range(1, 201)]
    assert max(map(len, slow.groups)) == 64


def test_what_a_group_raises_reaches_each_of_it_and_the_next_group_is_answered() -> None:
    async def both() -> tuple[list[object], list[object]]:
        slow = Slow()
        slow.go_on.set()
        with ThreadPoolExecutor(1) as threads:
            gathered: Gatherer[int, int] = Gatherer(threads, slow)
            broken = await asyncio.gather(gathered(-1), gathered(5), return_exceptions=True)
            return broken, await asyncio.gather(gathered(6), return_exceptions=True)

    broken, after = asyncio.run(both())
    assert [type(answer) for answer in broken] == [LookupError, LookupError]
    assert after == [60]


def test_one_that_is_gone_costs_the_others_nothing() -> None:
    async def leaves() -> list[int]:
        slow = Slow()
        with ThreadPoolExecutor(1) as threads:
            gathered: Gatherer[int, int] = Gatherer(threads, slow)
            first = asyncio.ensure_future(gathered(1))
            await slow.begun.wait()
            gone, stays = (asyncio.ensure_future(gathered(number)) for number in (2, 3))
            await asyncio.sleep(0)
            gone.cancel()
            slow.go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await gone
            return [await first, await stays]

    assert asyncio.run(leaves()) == [10, 30]

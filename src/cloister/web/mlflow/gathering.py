"""Requests answered together: those that come while others are recorded share what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")
_LARGEST = 64


class Gatherer(Generic[Q, A]):
    """Hands requests to a thread, one group at a time, each holding all that came meanwhile.

    A request that comes alone is handed on at once. Of many, each costs a share of a thread's
    turn and of a commit, where a turn each would cost more than the requests themselves.
    Lives in one event loop, so needs no lock.
    """

    def __init__(
        self, executor: Executor, answer: Callable[[Sequence[Q]], Sequence[A]]
    ) -> None:
        """``answer`` gives one answer to each request, in their order."""
        self._executor = executor
        self._answer = answer
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._busy = False

    async def __call__(self, request: Q) -> A:
        """The answer to one request; raises what answering its group raised."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[A] = loop.create_future()
        self._waiting.append((request, answered))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next)  # what else has just arrived comes along
        return await answered

    def _next(self) -> None:
        group = self._waiting[:_LARGEST]
        del self._waiting[:_LARGEST]
        self._busy = bool(group)
        if group:
            requests = [request for request, _ in group]
            loop = asyncio.get_running_loop()
            done = loop.run_in_executor(self._executor, self._answer, requests)
            done.add_done_callback(partial(self._told, group))

    def _told(
        self,
        group: Sequence[tuple[Q, asyncio.Future[A]]],
        done: asyncio.Future[Sequence[A]],
    ) -> None:
        error = done.exception()
        for place, (_, answered) in enumerate(group):
            if answered.done():  # whoever asked is gone
                continue
            if error is None:
                answered.set_result(done.result()[place])
            else:
                answered.set_exception(error)
        self._next()

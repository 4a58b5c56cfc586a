"""The workers of one run of a pipeline: who gets which call, and what ended."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from types import TracebackType
from typing import Self

from cloister.core.clock import Clock
from cloister.core.errors import NotFound
from cloister.pipelines.executor import Call, Ended
from cloister.workflows.pipelines._posts import Here, More, Post, There

_NOBODY_S = 30.0


@dataclass(slots=True)
class Crew:
    """Gives calls to workers, hears what ended, and lets workers come and go.

    An executor of several places, for one thread. The call of a worker that is gone is
    reported as lost, once. Raises NotFound when for half a minute nothing was under way, and
    nobody there for what is to be.
    """

    posts: list[Post]
    bell: threading.Event
    clock: Clock
    more: Sequence[More] = ()
    _at: dict[int, Post] = field(default_factory=dict)
    _lacks: bool = False
    _lacks_since_s: float | None = None

    def __enter__(self) -> Self:
        """Reaches the others, all at once; raises what the first of them came to, but for
        those that are not there while another is."""
        try:
            for one in self.more:
                one.open()
                self.posts.extend(one.joined())
            self._gather([one for one in self.posts if isinstance(one, There)])
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def _gather(self, there: Sequence[There]) -> None:
        for one in there:
            one.begin()
        absent: list[NotFound] = []
        for one in there:
            try:
                one.take()
            except NotFound as error:
                absent.append(error)
                one.abroad.heard("away", one.name, None, error.message)
        if absent and len(absent) == len(self.posts):
            raise absent[0]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        for one in self.posts:
            one.leave(error)
        for more in self.more:
            more.close()

    @property
    def slots(self) -> int:
        """How many calls are made at a time by those who are there."""
        return sum(one.worker.slots for one in self.posts if one.worker is not None)

    def choose(self, on: str | None) -> Post | None:
        """Where a call is to go, and keeps a place for it; None: nobody is there for it now."""
        for one in self._by_load(on):
            if one.is_open():
                one.load += 1
                return one
        return None

    def choose_apart(self, on: str | None, gpus: int) -> Post | None:
        """Where a call is to have a fence of its own, and keeps a place for it: a machine that
        has the GPUs, if one is there. None: nobody is there for it now."""
        there = self._by_load(on)
        for one in [post for post in there if post.lends(gpus)] or there:
            one.apart += 1
            return one
        return None

    def _by_load(self, on: str | None) -> list[Post]:
        there = [
            ((one.load + one.apart) / one.worker.slots, one)
            for one in self.posts
            if one.worker is not None and is_named(one.name, on)
        ]
        self._lacks |= not there
        return [one for _, one in sorted(there, key=itemgetter(0))]

    def rest(self) -> None:
        """Gives back what nobody works with now; to be called once all were given a place."""
        for one in self.posts:
            if isinstance(one, Here):
                one.rest()

    def submit(self, post: Post, call: Call) -> None:
        """Gives the call to the worker there."""
        assert post.worker is not None
        self._at[call.number] = post
        post.worker.submit(call)

    def poll(self, patience_s: float, *, alone: bool) -> list[Ended]:
        """What ended; waits at most so long for the first, or for anybody who comes.

        ``alone``: nothing else of the pipeline is under way.
        """
        self.bell.clear()
        ended = self._heard()
        if not ended and self.bell.wait(patience_s):
            ended = self._heard()
        for one in self.posts:
            one.tend()
        for more in self.more:
            self.posts.extend(more.joined())
        self._check_lack(alone=alone)
        return ended

    def _heard(self) -> list[Ended]:
        found: list[Ended] = []
        for post in self.posts:
            if post.worker is not None:
                found += post.worker.poll(0)
        for one in found:
            self._at.pop(one.number).load -= 1
        return found

    def _check_lack(self, *, alone: bool) -> None:
        now_s = self.clock.monotonic_s()
        lacks, self._lacks = alone and self._lacks and not self._at, False
        if not lacks:
            self._lacks_since_s = None
        elif self._lacks_since_s is None:
            self._lacks_since_s = now_s
        elif now_s - self._lacks_since_s > _NOBODY_S:
            raise NotFound(
                "no worker can be reached any more",
                hint="when one is there again: cloister pipeline resume",
            )


def is_named(name: str, on: str | None) -> bool:
    """Whether a task that says ``on`` may run at ``name``: the whole address, or the host."""
    host = name.partition(":")[2].partition("/")[0].partition(":")[0].rpartition("@")[2]
    return on is None or on in (name, host)

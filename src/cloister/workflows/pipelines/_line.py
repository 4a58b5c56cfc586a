"""The line of a pipeline's run: calls that wait, and which of them go next, and where."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from cloister.core.clock import Clock
from cloister.pipelines.plan import Plan
from cloister.pipelines.tasks import Settings
from cloister.workflows.pipelines._active import Pools
from cloister.workflows.pipelines._attempts import Wanted
from cloister.workflows.pipelines._crew import Crew
from cloister.workflows.pipelines._posts import Post

_AHEAD = 32
"""Attempts that are on record and wait in the worker, so that one write serves many."""


@dataclass(slots=True)
class Line:
    """First come, first served, as far as there is room; whoever waits keeps its turn."""

    plan: Plan
    crew: Crew
    pools: Pools
    clock: Clock
    ready: deque[Wanted] = field(default_factory=deque)
    """Calls that may begin now."""
    later: list[tuple[float, int, Wanted]] = field(default_factory=list)
    """A heap of calls that are tried again, by when."""
    _put_off: int = 0

    def put_off(self, wanted: Wanted, pause_s: float) -> None:
        """Has it wait so long before it may begin."""
        self._put_off += 1  # of two at one moment the first goes first
        heapq.heappush(self.later, (self.clock.monotonic_s() + pause_s, self._put_off, wanted))

    def call_up(self) -> None:
        """Lets those whose time has come begin."""
        now = self.clock.monotonic_s()
        while self.later and self.later[0][0] <= now:
            self.ready.append(heapq.heappop(self.later)[2])

    def next_s(self, longest: float) -> float:
        """How long until the next one's time comes, at most ``longest``."""
        if not self.later:
            return longest
        return min(longest, max(0.0, self.later[0][0] - self.clock.monotonic_s()))

    def choose(
        self, begun: Iterable[Wanted], queued: int
    ) -> tuple[list[tuple[Wanted, Post]], list[tuple[Wanted, Post]]]:
        """Takes as many as there is room for beside ``begun``: for a worker, for own fences.

        ``queued`` calls wait in the machine's queue for fences of their own and take no room.
        """
        warm: list[tuple[Wanted, Post]] = []
        apart: list[tuple[Wanted, Post]] = []
        kept: deque[Wanted] = deque()
        used = sum(map(self._weight, begun))
        while self.ready:
            one = self.ready.popleft()
            alone = self.plan.fences_own(one.job.step)
            weight, ahead = self._weight(one), 0 if alone or not self._is_plain(one) else _AHEAD
            full = used > 0 and used + weight > self.crew.slots + ahead
            if full or (alone and queued >= self.crew.slots):
                kept.append(one)
                if len(kept) > _AHEAD:
                    break
                continue
            post = self._post(one, alone=alone)
            if post is None:
                kept.append(one)
                continue
            (apart if alone else warm).append((one, post))
            used += weight
        self.ready.extendleft(reversed(kept))
        self.crew.rest()
        return warm, apart

    def _post(self, wanted: Wanted, *, alone: bool) -> Post | None:
        """Where it is made, its place in its pool taken; None: not now."""
        settings = self._settings(wanted)
        if not self.pools.enter(wanted.job, settings.pool):
            return None
        crew = self.crew
        post = (
            crew.choose_apart(settings.on, settings.gpu) if alone else crew.choose(settings.on)
        )
        if post is None:
            self.pools.leave(wanted.job)
        return post

    def _weight(self, wanted: Wanted) -> int:
        return max(1, min(self._settings(wanted).cpu, self.crew.slots))

    def _is_plain(self, wanted: Wanted) -> bool:
        settings = self._settings(wanted)
        return settings.cpu <= 1 and settings.idempotent and settings.pool is None

    def _settings(self, wanted: Wanted) -> Settings:
        return self.plan.task_of(wanted.job.step).settings

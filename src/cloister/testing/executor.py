"""An executor in memory: makes calls one after the other, in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from cloister.pipelines.executor import Call, Ended, answer, message
from cloister.pipelines.inside.calling import call as make
from cloister.pipelines.tasks import Task


class MemoryExecutor:
    """For tests of whatever schedules: it keeps the promises that need no process."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        self._waiting: deque[Call] = deque()
        self._ended: list[Ended] = []

    @property
    def slots(self) -> int:
        """One at a time."""
        return 1

    def submit(self, call: Call) -> None:
        """Keeps it for the next ``poll``."""
        self._waiting.append(call)

    def poll(self, patience_s: float) -> list[Ended]:
        """Makes the oldest call."""
        ended, self._ended = self._ended, []
        if not ended and self._waiting:
            call = self._waiting.popleft()
            told = message(call, fork=False)
            made = make(self._tasks[call.task], told, with_files=True)
            ended = [answer({"id": call.number, **made})]
        return ended

    def cancel(self, number: int) -> None:
        """Takes it out, if it was not made yet."""
        kept = [call for call in self._waiting if call.number != number]
        if len(kept) < len(self._waiting):
            self._ended.append(Ended(number, ok=False, error="cancelled"))
        self._waiting = deque(kept)

    def close(self) -> None:
        """Forgets what waits."""
        self._waiting.clear()

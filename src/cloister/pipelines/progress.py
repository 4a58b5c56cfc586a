"""How far a run of a plan is: what may start now, given what has ended. No clock, no input."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence
from enum import StrEnum

from cloister.pipelines.job import WHOLE, Job
from cloister.pipelines.plan import Plan, Step


class State(StrEnum):
    """What is known of a step."""

    WAITING = "waiting"
    OPEN = "open"
    """Some of it may run, or does."""
    DONE = "done"
    LEFT_OUT = "left-out"
    FAILED = "failed"
    BLOCKED = "blocked"
    """Something that it needs failed."""


class Progress:
    """The state machine of one run; each step is settled once, whatever order results take."""

    def __init__(self, plan: Plan, only: Container[int] | None = None) -> None:
        """Of all steps, or of those in ``only``, which wait for none but each other."""
        self._steps = plan.steps
        self.states: list[State] = [State.WAITING] * len(plan.steps)
        self._waiting = [len(set(step.waits)) for step in plan.steps]
        self._feeds: list[list[int]] = [[] for _ in plan.steps]
        self._parts: dict[int, int] = {}
        self._truth: dict[int, bool] = {}
        self._ready: deque[int] = deque()
        self.settled = 0
        for step in plan.steps:
            if only is not None and step.number not in only:
                self.states[step.number] = State.LEFT_OUT
                self.settled += 1
                continue
            for one in set(step.waits):
                self._feeds[one].append(step.number)
            if not self._waiting[step.number]:
                self._ready.append(step.number)

    @property
    def over(self) -> bool:
        """Whether nothing is left to happen."""
        return self.settled == len(self._steps)

    def take(self) -> list[Step]:
        """Steps that may begin now, each once; the caller opens, leaves out or settles them."""
        found = []
        while self._ready:
            step = self._steps[self._ready.popleft()]
            fate = self._fate(step)
            if fate is State.OPEN:
                self.states[step.number] = State.OPEN
                found.append(step)
            else:
                self._settle(step.number, fate)
        return found

    def opened(
        self, step: int, parts: int | None = None, only: int | None = None
    ) -> Sequence[Job]:
        """The calls of a step; of a mapped one for each item of its list, or for one."""
        if parts is None:
            return [Job(step)]
        if only is not None:
            self._parts[step] = 1
            return [Job(step, only)]
        self._parts[step] = parts
        if not parts:
            self._settle(step, State.DONE)
        return [Job(step, part) for part in range(parts)]

    def succeeded(self, job: Job, truth: bool = True) -> bool:
        """A call ended well; whether its step is done with it. ``truth`` is for conditions."""
        if self.states[job.step] is not State.OPEN:
            return False
        if job.part != WHOLE:
            self._parts[job.step] -= 1
            if self._parts[job.step]:
                return False
        self._truth[job.step] = truth
        self._settle(job.step, State.DONE)
        return True

    def failed(self, job: Job) -> None:
        """A call will not be tried again."""
        if self.states[job.step] is State.OPEN:
            self._settle(job.step, State.FAILED)

    def _fate(self, step: Step) -> State:
        before = [self.states[one] for one in step.waits]
        if State.FAILED in before or State.BLOCKED in before:
            return State.BLOCKED
        for condition in step.conditions:
            if self.states[condition.node] is State.LEFT_OUT:
                return State.LEFT_OUT
            if self._truth.get(condition.node, False) is not condition.wanted:
                return State.LEFT_OUT
        left_out = [one for one in step.values if self.states[one] is State.LEFT_OUT]
        if left_out and not (step.either and len(left_out) < len(step.values)):
            return State.LEFT_OUT
        return State.OPEN

    def _settle(self, number: int, state: State) -> None:
        self.states[number] = state
        self.settled += 1
        for one in self._feeds[number]:
            self._waiting[one] -= 1
            if not self._waiting[one]:
                self._ready.append(one)

"""What of a plan is wanted: all of it, or one call with all that it needs."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Self

from cloister.core import words
from cloister.core.canonical import canonical
from cloister.core.errors import BadInput
from cloister.pipelines.job import WHOLE, Job
from cloister.pipelines.mapping import listed, over_step
from cloister.pipelines.plan import Plan, Step
from cloister.pipelines.tasks import Settings

_NAMED = re.compile(r"(?P<step>[^\[\]]+)(\[(?P<part>[0-9]{1,9})\])?")


@dataclass(frozen=True, slots=True)
class Target:
    """The whole plan, unless a job is named."""

    job: Job | None = None
    needed: Container[int] | None = None
    """The steps that are made, or used again; None for all."""

    @classmethod
    def named(cls, plan: Plan, name: str) -> Self:
        """``train``, or one item of a mapped step: ``clean[3]``; raises BadInput."""
        found = _NAMED.fullmatch(name)
        numbers = {step.name: step.number for step in plan.steps}
        step = numbers.get(found["step"]) if found else None
        if found is None or step is None:
            close = difflib.get_close_matches(name, numbers, 1)
            hint = f"{close[0]}?" if close else f"it has {', '.join(list(numbers)[:20])}"
            raise BadInput(f"{plan.name} has no step {name}", hint=hint)
        if found["part"] is not None and plan.steps[step].over is None:
            raise BadInput(f"{found['step']} is not mapped: it has no items")
        part = WHOLE if found["part"] is None else int(found["part"])
        return cls(Job(step, part), _needed(plan, step))

    def part_of(self, step: int, count: int) -> int | None:
        """Which of ``count`` items of ``step`` is wanted; None for all; raises BadInput."""
        if self.job is None or self.job.step != step or self.job.part == WHOLE:
            return None
        if self.job.part >= count:
            items = words.count(count, "item")
            raise BadInput(f"its list has {items}: there is no [{self.job.part}]")
        return self.job.part

    def retries(self, settings: Settings) -> int:
        """None for one call: whoever asks for it tries again."""
        return settings.retries if self.job is None else 0


WHOLE_PLAN = Target()


def _needed(plan: Plan, step: int) -> frozenset[int]:
    found, waiting = {step}, [step]
    while waiting:
        fresh = set(plan.steps[waiting.pop()].waits) - found
        found |= fresh
        waiting += fresh
    return frozenset(found)


def shape(plan: Plan) -> str:
    """A digest of which steps there are and how they hang together; not of what they do."""
    steps = [[step.name, list(step.waits), list(mapped(plan, step))] for step in plan.steps]
    return hashlib.sha256(canonical([plan.name, steps])).hexdigest()[:32]


def mapped(plan: Plan, step: Step) -> tuple[int, int]:
    """The step whose list it goes through, or -1; and how many items, where the file says."""
    if step.over is None:
        return -1, -1
    source = over_step(plan, step.number)
    return source, -1 if source >= 0 else len(listed(plan, step.number, {}))

"""What calls gave, as other calls take it: values, digests, and sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cloister.core.errors import Erased, IntegrityError
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.identity import subjects
from cloister.pipelines import history as flows
from cloister.pipelines.executor import Call
from cloister.pipelines.history import Attempt
from cloister.pipelines.job import WHOLE, Job
from cloister.pipelines.mapping import in_part, listed, over_step
from cloister.pipelines.plan import Plan, Step
from cloister.pipelines.progress import Progress, State
from cloister.pipelines.values import collected
from cloister.runs import history
from cloister.workflows.lab import Lab
from cloister.workflows.patients.trace import late_erasures
from cloister.workflows.pipelines._attempts import Wanted
from cloister.workflows.pipelines._keying import Keying
from cloister.workflows.pipelines._values import Files, Values


class Result(NamedTuple):
    """What a call gave: the run that holds it, and its keyed digest."""

    run: RunId
    digest: str
    truth: bool


class Unreadable(Exception):
    """A result cannot be had any more: damaged, or its key destroyed. It is made again."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"the result of step {job.step} cannot be read any more")
        self.job = job


@dataclass(slots=True)
class Results:
    """The results of one run of a plan."""

    lab: Lab
    keying: Keying
    plan: Plan
    progress: Progress
    known: dict[Job, Result] = field(default_factory=dict)
    values: Values = field(init=False)
    _items: dict[int, list[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.values = Values(self.lab)

    def listed(self, number: int) -> list[bytes]:
        """The items that a mapped step goes through; raises BadInput where there is no list."""
        source = over_step(self.plan, number)
        values = {source: self.value(source)[0]} if source >= 0 else {}
        self._items[number] = listed(self.plan, number, values)
        return self._items[number]

    def item(self, job: Job) -> str:
        """The keyed digest of one item."""
        return self.keying.of(self._items[job.step][job.part])

    def _jobs(self, step: int) -> list[Job]:
        if step in self._items:
            return [Job(step, part) for part in range(len(self._items[step]))]
        return [Job(step)]

    def digest(self, step: int) -> str:
        """Of a step's value; of one that was left out, a mark that it was."""
        if self.progress.states[step] is State.LEFT_OUT:
            return "left out"
        digests = [self.known[job].digest for job in self._jobs(step)]
        return self.keying.of_all(digests) if step in self._items else digests[0]

    def sources(self, step: Step) -> tuple[RunId, ...]:
        """The runs whose values a call of the step takes."""
        found = [
            self.known[job].run
            for one in step.values
            if self.progress.states[one] is State.DONE
            for job in self._jobs(one)
        ]
        return tuple(dict.fromkeys(found))

    def value(self, step: int) -> tuple[bytes, Files]:
        """What a step gave; of a mapped one, the list of all, each with its files apart.

        Raises Unreadable.
        """
        got = [self._read(job) for job in self._jobs(step)]
        if step not in self._items:
            return got[0]
        moved = [in_part(part, value, files) for part, (value, files) in enumerate(got)]
        return collected([value for value, _ in moved]), tuple(f for _, fs in moved for f in fs)

    def _read(self, job: Job) -> tuple[bytes, Files]:
        """One result, if it is what the record says that it was."""
        known = self.known[job]
        try:
            value, files = self.values.get(known.run)
        except (IntegrityError, Erased) as error:
            raise Unreadable(job) from error
        if self.keying.of_value(value, files) != known.digest:
            raise Unreadable(job)
        return value, files

    def call(self, number: int, wanted: Wanted) -> Call:
        """The call, with the values that it takes and no other."""
        step = self.plan.steps[wanted.job.step]
        source = -1 if step.over is None else over_step(self.plan, step.number)
        values: dict[int, bytes] = {}
        files: dict[int, Files] = {}
        for one in step.values:
            if self.progress.states[one] is not State.DONE:
                continue
            value, beside = self.value(one)
            if one != source:
                values[one] = value
            if beside:
                files[one] = beside
        part = None
        if wanted.job.part != WHOLE:
            part = (source, self._items[step.number][wanted.job.part])
        return Call(
            number=number,
            task=step.task,
            arguments=step.arguments,
            values=values,
            files=files,
            over=step.over,
            part=part,
            timeout_s=self.plan.task_of(step.number).settings.timeout,
        )


def usable(tx: Transaction, keys: Sequence[str]) -> dict[str, Attempt]:
    """Earlier attempts by key; none that learned from anybody who was erased since."""
    found = flows.cached(tx, keys)
    if not subjects.erased(tx):
        return found
    return {key: one for key, one in found.items() if not is_tainted(tx, one.run)}


def is_tainted(tx: Transaction, run: RunId) -> bool:
    """Whether it had data of somebody who was erased since."""
    return bool(late_erasures(tx, history.find(tx, run)))

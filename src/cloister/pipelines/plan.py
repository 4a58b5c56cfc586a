"""A plan: what a file defines, as bytes that leave the fence, and are not trusted there."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

from cloister.core.errors import BadInput
from cloister.pipelines.building import Pipeline, depends_on, is_count
from cloister.pipelines.code import Digester
from cloister.pipelines.nodes import Condition, encoded
from cloister.pipelines.places import wrong
from cloister.pipelines.tasks import NAME, TAKEN, Settings, Task
from cloister.pipelines.triggers import MISFIRES, Trigger, check_trigger

FORMAT = 1
MOST_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task as it stands in a plan."""

    name: str
    kind: str
    code: str
    """SHA-256, hex, of all project code that it reaches."""
    settings: Settings

    @property
    def takes(self) -> str | None:
        """The asset that it stands for; None for what is made in this pipeline."""
        kind, _, asset = self.kind.partition(":")
        return asset if kind == TAKEN else None


@dataclass(frozen=True, slots=True)
class Step:
    """One call."""

    number: int
    task: int
    name: str
    arguments: bytes = field(repr=False)
    waits: tuple[int, ...]
    """Steps that must have ended, those whose values it takes among them."""
    values: tuple[int, ...]
    """Steps whose values it takes."""
    datasets: tuple[str, ...]
    over: str | None
    conditions: tuple[Condition, ...]
    either: bool
    """Whether one that was left out does not leave this out too."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline, checked: every step waits only for steps that there are."""

    name: str
    triggers: tuple[Trigger, ...]
    misfire: str
    parameters: tuple[Mapping[str, Any], ...]
    tasks: tuple[PlannedTask, ...]
    steps: tuple[Step, ...]
    max_active_runs: int | None = None
    """How many of its runs go on at a time; None for any number."""

    def task_of(self, step: int) -> PlannedTask:
        """What the step runs."""
        return self.tasks[self.steps[step].task]

    def fences_own(self, step: int) -> bool:
        """Whether calls of the step have a fence of their own each."""
        wanted = self.task_of(step).settings
        alone = wanted.fence == "fresh" or wanted.memory is not None or wanted.gpu > 0
        return alone or bool(self.steps[step].datasets)


def after(plan: Plan, steps: set[int]) -> frozenset[int]:
    """``steps``, and all that wait for them by whatever way."""
    feeds: dict[int, list[int]] = {}
    for one in plan.steps:
        for before in one.waits:
            feeds.setdefault(before, []).append(one.number)
    found, waiting = set(steps), list(steps)
    while waiting:
        for later in feeds.get(waiting.pop(), ()):
            if later not in found:
                found.add(later)
                waiting.append(later)
    return frozenset(found)


def describe(pipeline: Pipeline, root: Path) -> tuple[bytes, list[Task]]:
    """The plan as bytes, and the tasks in the order in which it counts them.

    Raises BadInput naming a line for what cannot be run, or told apart from another time.
    """
    digester = Digester(root)
    numbers: dict[int, int] = {}
    tasks: list[Task] = []
    steps: list[list[Any]] = []
    for node in pipeline.nodes:
        if id(node.task) not in numbers:
            numbers[id(node.task)] = len(tasks)
            tasks.append(node.task)
        needs: list[int] = []
        datasets: list[str] = []
        packed = encoded(node, needs, datasets)
        waits = sorted(set(depends_on(node)))
        conditions = [list(one) for one in node.conditions]
        where = [numbers[id(node.task)], node.name, packed, waits, sorted(set(needs))]
        steps.append([*where, datasets, node.over, conditions, _joins(node.given)])
    described = {
        "format": FORMAT,
        "name": pipeline.name,
        "on": [one.plain() for one in pipeline.on],
        "misfire": pipeline.misfire,
        "parameters": [one.plain() for one in pipeline.parameters.values()],
        "tasks": [_task(one, digester) for one in tasks],
        "steps": steps,
    }
    if pipeline.max_active_runs is not None:
        described["max_active_runs"] = pipeline.max_active_runs
    return bytes(msgpack.packb(described)), tasks


def _joins(given: Mapping[str, Any]) -> bool:
    from cloister.pipelines.nodes import Either

    return any(isinstance(value, Either) for value in given.values())


def _task(task: Task, digester: Digester) -> list[Any]:
    try:
        code = digester.of(task.function)
    except BadInput as error:
        raise wrong(task.place, f"{task.name}: {error.message}", error.hint) from error
    told = hashlib.sha256(code.encode() + msgpack.packb(dict(task.told))).hexdigest()
    settings = task.settings
    if digester.tracks(task.function):
        settings = replace(settings, fence="fresh")  # ADR 0118: its door knows whose call it is
    return [task.name, task.kind, told, settings.plain()]


@contextmanager
def unsearched() -> Iterator[None]:
    """No search for garbage: of a hundred thousand steps none is, and each look costs more."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@unsearched()
def parse(packed: bytes) -> Plan:
    """The plan in what a fence gave; raises BadInput for what does not hold together."""
    try:
        told = msgpack.unpackb(packed)
        _require(told["format"] == FORMAT and told["misfire"] in MISFIRES, "its head")
        _require(NAME.fullmatch(told["name"]) is not None, "its name")
        _require(len(told["steps"]) <= MOST_STEPS, "its size")
        most = told.get("max_active_runs")
        _require(most is None or is_count(most), "how many of its runs may go on")
        triggers = tuple(Trigger(t["kind"], t["what"], t["zone"]) for t in told["on"])
        for one in triggers:
            check_trigger(one)
        plan = Plan(
            name=told["name"],
            triggers=triggers,
            misfire=told["misfire"],
            parameters=tuple(told["parameters"]),
            tasks=tuple(_planned(one) for one in told["tasks"]),
            steps=tuple(_step(number, one) for number, one in enumerate(told["steps"])),
            max_active_runs=most,
        )
    except (ValueError, TypeError, KeyError, IndexError, msgpack.UnpackException) as error:
        raise BadInput("what the pipeline's file gave is no plan") from error
    _check_steps(plan.steps, len(plan.tasks))
    return plan


def _planned(told: Sequence[Any]) -> PlannedTask:
    name, kind, code, settings = told
    _require(NAME.fullmatch(name) is not None and len(code) == 64, "a task")
    made = Settings(**{**settings, "outlets": tuple(settings["outlets"])})
    numbers = (
        made.retries,
        made.backoff,
        made.timeout or 0,
        made.cpu,
        made.gpu,
        made.memory or 0,
    )
    _require(all(0 <= float(one) <= 1e9 for one in numbers), "a setting")
    return PlannedTask(name, kind, code, made)


def _step(number: int, told: Sequence[Any]) -> Step:
    task, name, arguments, waits, values, datasets, over, conditions, either = told
    _require(isinstance(name, str) and isinstance(arguments, bytes), "a step")
    return Step(
        number=number,
        task=int(task),
        name=name,
        arguments=arguments,
        waits=tuple(waits),
        values=tuple(values),
        datasets=tuple(datasets),
        over=over,
        conditions=tuple(Condition(int(n), bool(wanted)) for n, wanted in conditions),
        either=bool(either),
    )


def _check_steps(steps: Sequence[Step], tasks: int) -> None:
    """What is named is there, and no step waits for itself by any way."""
    count = len(steps)
    left = [0] * count
    feeds: list[list[int]] = [[] for _ in range(count)]
    for step in steps:
        _require(0 <= step.task < tasks, "a step's task")
        waits = set(step.waits)
        _require(
            all(isinstance(n, int) and 0 <= n < count for n in waits), "what a step awaits"
        )
        _require(waits >= {*step.values, *(c.node for c in step.conditions)}, "a step's values")
        left[step.number] = len(waits)
        for one in waits:
            feeds[one].append(step.number)
    ready = [number for number, waiting in enumerate(left) if not waiting]
    done = 0
    while ready:
        done += 1
        for one in feeds[ready.pop()]:
            left[one] -= 1
            if not left[one]:
                ready.append(one)
    _require(done == count, "its order: steps wait for each other")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise BadInput(f"what the pipeline's file gave is no plan: {what} is not as expected")

"""A pipeline: what is defined in ``with pipeline(NAME):``, checked when the block ends."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Self

from cloister.core.errors import BadInput
from cloister.pipelines.nodes import Condition, Dataset, Either, Node, current, mapped_over
from cloister.pipelines.places import Place, here, wrong
from cloister.pipelines.tasks import CURRENT, Building, Task, checked_name
from cloister.pipelines.triggers import Trigger, checked_triggers

_MOST_RUNS = 1000
_TYPES: Mapping[type, str] = {bool: "bool", int: "int", float: "float", str: "str"}
_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a run may choose; the pipeline sees it while it is defined."""

    name: str
    kind: str
    default: bool | int | float | str
    value: bool | int | float | str
    text: str

    def plain(self) -> dict[str, Any]:
        """As it stands in a plan."""
        return {
            "name": self.name,
            "kind": self.kind,
            "default": self.default,
            "value": self.value,
            "text": self.text,
        }


class Pipelines:
    """All pipelines that a file defines, and what the run chose for their parameters."""

    def __init__(self, chosen: Mapping[str, str] | None = None) -> None:
        self.chosen = dict(chosen or {})
        self.made: list[Pipeline] = []


COLLECTING: ContextVar[Pipelines | None] = ContextVar("pipelines", default=None)


class Pipeline:
    """Tasks, their order and what starts them.

    >>> with pipeline("example") as p:
    ...     numbers() >> total
    """

    def __init__(
        self,
        name: str,
        on: Sequence[Trigger],
        misfire: str,
        max_active_runs: int | None,
        place: Place,
    ) -> None:
        self.name = name
        self.on = on
        self.misfire = misfire
        self.max_active_runs = max_active_runs
        self.place = place
        self.nodes: list[Node] = []
        self.parameters: dict[str, Parameter] = {}
        self._implied: dict[int, Node] = {}
        self._names: dict[str, int] = {}
        self._conditions: tuple[Condition, ...] = ()
        self._prefix = ""
        self._token: Token[Building | None] | None = None

    def __enter__(self) -> Self:
        if CURRENT.get() is not None:
            raise wrong(here(), f"{self.name} begins inside of another pipeline")
        self._token = CURRENT.set(self)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)
        if kind is None:
            self.check()
            collecting = COLLECTING.get()
            if collecting is not None:
                collecting.made.append(self)

    def add(self, task: Task, given: Mapping[str, Any], place: Place) -> Node:
        """A step that runs ``task``."""
        name = self._prefix + task.name
        count = self._names[name] = self._names.get(name, 0) + 1
        full = name if count == 1 else f"{name}-{count}"
        node = Node(self, len(self.nodes), task, full, place, dict(given))
        node.conditions = self._conditions
        self.nodes.append(node)
        return node

    def map(self, task: Task, given: Mapping[str, Any], place: Place) -> Node:
        """A step that runs ``task`` for each item of a list."""
        node = self.add(task, given, place)
        node.over = mapped_over(task, given, place)
        listed = node.given[node.over]
        if isinstance(listed, list | tuple):
            if any(isinstance(one, Node | Either | Dataset) for one in listed):
                raise wrong(
                    place,
                    f"{task.name}.map() goes through values, and this list holds steps or data",
                    f"write [{task.name}(one) for one in LIST]",
                )
            node.given[node.over] = list(listed)
        return node

    def implied(self, task: Task, place: Place) -> Node:
        """The one step of a task that is named without being called."""
        if id(task) not in self._implied:
            self._implied[id(task)] = self.add(task, {}, place)
        return self._implied[id(task)]

    def chain(self, left: Any, right: Any, place: Place) -> Any:
        """Orders ``right`` after ``left``, and feeds it; gives ``right`` as steps."""
        before = self._steps(left, place)
        after = self._steps(right, place)
        for node in after:
            node.waits += [one.number for one in before]
            _feed(node, before, place)
        return after if isinstance(right, list | tuple) else after[0]

    def _steps(self, named: Any, place: Place) -> list[Node]:
        listed = named if isinstance(named, list | tuple) else [named]
        found = []
        for one in listed:
            if isinstance(one, Task):
                found.append(self.implied(one, place))
            elif isinstance(one, Node) and one.building is self:
                found.append(one)
            else:
                raise wrong(place, f">> orders tasks and steps, not {type(one).__name__}")
        if not found:
            raise wrong(place, ">> has an empty list beside it")
        return found

    def check(self) -> None:
        """Raises BadInput, naming a line, for missing arguments, cycles, and no step at all."""
        if not self.nodes:
            raise wrong(
                self.place,
                f"{self.name} has no step",
                "call its tasks in the block: elsewhere they are plain functions",
            )
        for node in self.nodes:
            for name, parameter in node.task.parameters.items():
                if parameter.default is parameter.empty and name not in node.given:
                    raise wrong(node.place, f"{node.name} lacks its argument {name!r}")
        order(self.nodes)


def depends_on(node: Node) -> Iterator[int]:
    """The steps that must have ended before ``node`` begins."""
    yield from node.waits
    for condition in node.conditions:
        yield condition.node
    waiting = deque(node.given.values())
    while waiting:
        value = waiting.popleft()
        if isinstance(value, Node):
            yield value.number
        elif isinstance(value, Either):
            waiting.extend(value.nodes)
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())


def order(nodes: Sequence[Node]) -> list[int]:
    """Numbers of the steps, each after all that it depends on; raises BadInput for a cycle."""
    needs = [set(depends_on(node)) for node in nodes]
    feeds: list[list[int]] = [[] for _ in nodes]
    for number, wanted in enumerate(needs):
        for one in wanted:
            feeds[one].append(number)
    left = [len(wanted) for wanted in needs]
    ready = deque(number for number, count in enumerate(left) if not count)
    done = []
    while ready:
        number = ready.popleft()
        done.append(number)
        for one in feeds[number]:
            left[one] -= 1
            if not left[one]:
                ready.append(one)
    if len(done) < len(nodes):
        stuck = next(number for number, count in enumerate(left) if count)
        path = [stuck]
        while (before := next(n for n in sorted(needs[path[-1]]) if left[n])) not in path:
            path.append(before)
        circle = [*path[path.index(before) :], before]
        names = " >> ".join(nodes[number].name for number in reversed(circle))
        raise wrong(nodes[before].place, f"these steps wait for each other: {names}")
    return done


def _feed(node: Node, before: Sequence[Node], place: Place) -> None:
    """Gives what flows in to the parameters that have nothing yet."""
    free = [n for n in node.task.parameters if n not in node.given]
    required = [n for n in free if node.task.parameters[n].default is inspect.Parameter.empty]
    if not required:
        if free and not node.given:
            raise wrong(
                place,
                f">> could feed {node.name}, or only order it: {', '.join(free)} may stay as"
                " they are",
                f"write {node.task.name}({free[0]}=STEP) to feed it, or"
                f" {node.task.name}().after(STEP)",
            )
        return
    if len(before) == 1:
        node.given[required[0]] = before[0]
    elif len(required) == 1:
        node.given[required[0]] = list(before)
    elif len(required) == len(before):
        node.given.update(zip(required, before, strict=True))
    else:
        raise wrong(
            place,
            f"{len(before)} steps flow into {node.name}, which has {len(required)} arguments"
            f" free: {', '.join(required)}",
            "pass them as arguments, by name",
        )


def pipeline(
    name: str,
    *,
    on: Trigger | Sequence[Trigger] = (),
    misfire: str = "latest",
    max_active_runs: int | None = None,
) -> Pipeline:
    """A pipeline of that name; ``on`` says what starts it besides a person.

    ``misfire`` says what becomes of times that passed while nobody looked: ``latest`` runs
    once for the last of them, ``all`` once for each, ``skip`` for none. ``max_active_runs``: at
    most so many runs of it go on at a time in the lab; one more waits until another is over.
    """
    place = here()
    triggers = (on,) if isinstance(on, Trigger) else tuple(on)
    checked_triggers(triggers, misfire, place)
    if max_active_runs is not None and not is_count(max_active_runs):
        raise wrong(place, f"max_active_runs is a number from 1 on, not {max_active_runs!r}")
    return Pipeline(checked_name(name, place), triggers, misfire, max_active_runs, place)


def is_count(value: object) -> bool:
    """Whether it can be how many runs of a pipeline go on at a time."""
    return type(value) is int and 1 <= value <= _MOST_RUNS


@contextmanager
def when(node: Node, wanted: bool = True) -> Iterator[None]:
    """Steps in the block run if the value of ``node`` is true; else they are left out.

    Raises BadInput, naming the line, for what is no step, and for a mapped one.
    """
    building = _own(current())
    if not isinstance(node, Node):
        raise wrong(here(), "when(STEP) takes a step; for what is known already, write `if`")
    if node.over is not None:
        raise wrong(
            here(),
            f"{node.name} is mapped: it gives a list, and which of its items count is not said",
            f"have a task say it: when(any_of({node.name})), which returns any(its list)",
        )
    before = building._conditions
    building._conditions = (*before, Condition(node.number, wanted))
    try:
        yield
    finally:
        building._conditions = before


def unless(node: Node) -> Any:
    """Steps in the block run if the value of ``node`` is false."""
    return when(node, False)


@contextmanager
def group(name: str) -> Iterator[None]:
    """A pipeline within the pipeline: names of its steps begin with ``name.``."""
    building = _own(current())
    before = building._prefix
    building._prefix = f"{before}{checked_name(name, here())}."
    try:
        yield
    finally:
        building._prefix = before


def param(name: str, default: Any, text: str = "") -> Any:
    """The value that the run chose with ``-p name=value``, of the default's type."""
    building, place = _own(current()), here()
    if type(default) not in _TYPES:
        raise wrong(place, f"{name}: a parameter is a bool, an int, a float or a text")
    if name in building.parameters:
        raise wrong(place, f"there is a parameter {name} already")
    collecting = COLLECTING.get()
    chosen = collecting.chosen if collecting is not None else {}
    value = default if name not in chosen else _parsed(name, type(default), chosen[name])
    kind = _TYPES[type(default)]
    building.parameters[checked_name(name, place)] = Parameter(name, kind, default, value, text)
    return value


def _parsed(name: str, kind: type, text: str) -> Any:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    try:
        return words[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise BadInput(f"-p {name}={text}: expected {_EXPECTED[kind]}") from error


def _own(building: Building) -> Pipeline:
    assert isinstance(building, Pipeline)
    return building

"""Steps of a pipeline while it is defined, and what may stand in their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

from cloister.core.errors import BadInput
from cloister.pipelines.places import Place, here, wrong
from cloister.pipelines.tasks import CURRENT, Building, Task
from cloister.pipelines.values import DATASET, EITHER, LABELS, NODE, encode


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset version; the task gets the path where it lies, read-only."""

    reference: str
    """``name[@version][:split:part]``; without a version, the newest when the run begins."""
    stands: int = DATASET
    """For the data, or for their labels."""


def dataset(reference: str) -> Dataset:
    """What of a dataset a task is given: ``cl.dataset("scans:site:train")``."""
    if not reference or not isinstance(reference, str):
        raise wrong(here(), "a dataset is named by a text: name[@version][:split:part]")
    return Dataset(reference)


def labels_of(reference: str) -> Dataset:
    """The labels of data that a task is given: ``cl.labels_of("scans:site:train")``.

    The task gets the path of a CSV file: ``path`` of the record below the folder of the data,
    ``subject`` for the rows of a table, and a column for each question. They are those of the
    version; so new labels, which make a new version, make the task run again.
    """
    return replace(dataset(reference), stands=LABELS)


@dataclass(frozen=True, slots=True)
class Either:
    """The value of the first of some steps that was not left out."""

    nodes: tuple[Node, ...]


def either(*nodes: Node) -> Either:
    """Joins the branches of a condition."""
    if not nodes or not all(isinstance(one, Node) for one in nodes):
        raise wrong(here(), "either(...) joins steps of this pipeline")
    return Either(nodes)


class Condition(NamedTuple):
    """A step is left out unless the value of ``node`` is true, or false."""

    node: int
    wanted: bool


@dataclass(slots=True, eq=False)
class Node:
    """One step: a call that will be made."""

    building: Building = field(repr=False)
    number: int
    task: Task
    name: str
    place: Place
    given: dict[str, Any]
    """Arguments so far; ``>>`` adds to them."""
    over: str | None = None
    """The argument whose items make a call each."""
    waits: list[int] = field(default_factory=list)
    conditions: tuple[Condition, ...] = ()

    def collect(self) -> Node:
        """The list of all results of a mapped step: the step itself, said aloud."""
        if self.over is None:
            raise wrong(here(), f"{self.name} is not mapped, so there is nothing to collect")
        return self

    def after(self, *others: Node) -> Node:
        """Orders this step after others without feeding it; gives the step."""
        self.waits += [one.number for one in others]
        return self

    def __rshift__(self, right: Any) -> Any:
        return self.building.chain(self, right, here())

    def __rrshift__(self, left: Any) -> Any:
        return self.building.chain(left, self, here())

    def __bool__(self) -> bool:
        raise wrong(
            here(),
            f"{self.name} has no value yet: it is a step that will run",
            "write `with when(STEP):` for what depends on it",
        )

    def _computed(self, *_: Any) -> Any:
        raise wrong(
            here(),
            f"{self.name} has no value yet: it is a step that will run",
            "compute with it in a task that takes it",
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _computed
    __truediv__ = __rtruediv__ = __floordiv__ = __mod__ = __getitem__ = __len__ = _computed
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = _computed

    def __iter__(self) -> Any:
        raise wrong(
            here(),
            f"{self.name} cannot be taken apart yet: it is a step that will run",
            "map over it: other.map(STEP)",
        )


def mapped_over(task: Task, given: Mapping[str, Any], place: Place) -> str:
    """The one argument that is a list, or a step that will give one; raises BadInput."""
    lists = [n for n, value in given.items() if isinstance(value, list | tuple)]
    over = lists or [n for n, value in given.items() if isinstance(value, Node)]
    if len(over) != 1:
        raise wrong(
            place,
            f"{task.name}.map() takes one list, or one step that gives a list;"
            f" found {', '.join(over) or 'none'}",
        )
    return over[0]


def encoded(node: Node, needs: list[int], datasets: list[str]) -> bytes:
    """The arguments of a step as bytes; notes the steps and datasets among them.

    Raises BadInput naming the line for an argument that cannot be kept, and so not compared.
    """

    def special(value: Any) -> msgpack.ExtType | None:
        if isinstance(value, Node):
            if value.building is not node.building:
                raise wrong(node.place, f"{value.name} is a step of another pipeline")
            needs.append(value.number)
            return msgpack.ExtType(NODE, b"%d" % value.number)
        if isinstance(value, Either):
            numbers = [one.number for one in value.nodes]
            needs.extend(numbers)
            return msgpack.ExtType(EITHER, encode(numbers))
        if isinstance(value, Dataset):
            datasets.append(value.reference)
            return msgpack.ExtType(value.stands, value.reference.encode())
        if isinstance(value, Task):
            raise wrong(node.place, f"{value.name} is a task: call it to make a step of it")
        if isinstance(value, Path):
            raise wrong(
                node.place,
                f"{node.name}: a path of the host is no argument: its content could change",
                "give a dataset, or have a task make the file",
            )
        return None

    try:
        return encode(node.given, special)
    except BadInput as error:
        if error.message.startswith("a value"):
            raise wrong(node.place, f"{node.name}: {error.message}", error.hint) from error
        raise


def current() -> Building:
    """The pipeline that is being defined; raises BadInput outside of one."""
    building = CURRENT.get()
    if building is None:
        raise wrong(here(), "this stands outside of a pipeline", "write `with pipeline(NAME):`")
    return building

"""A task: a function, and how it is to be run."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from types import NoneType
from typing import Any, Protocol

from cloister.pipelines.places import Place, here, wrong
from cloister.pipelines.triggers import ASSETS, is_asset

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_POOL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}(:[1-9][0-9]{0,2})?")
PAGE = re.compile(r"page:([A-Za-z0-9][A-Za-z0-9_./-]{0,119}\.md)")
"""An outlet that is read in the console: Markdown among the files that the task gives."""
FENCES = ("warm", "fresh")
TAKEN = "asset"
"""The kind, before a colon and its name, of what stands for an asset."""


_SECONDS, _COUNT, _YES = "a number of seconds", "a whole number", "True or False"
_KINDS: Mapping[str, tuple[str, tuple[type, ...], int]] = {
    "retries": (_COUNT, (int,), 0),
    "backoff": (_SECONDS, (int, float), 0),
    "timeout": (_SECONDS, (int, float, NoneType), 0),
    "cache": (f"{_YES}, or a text", (bool, str), 0),
    "idempotent": (_YES, (bool,), 0),
    "cpu": (_COUNT, (int,), 1),
    "gpu": (_COUNT, (int,), 0),
    "memory": (f"{_COUNT} of MiB", (int, NoneType), 1),
    "fence": ("a text", (str,), 0),
    "pool": ("a text", (str, NoneType), 0),
    "on": ("a text", (str, NoneType), 0),
}
"""What a setting is, in words, of which types, and of numbers the least."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a task is run; all of it is said where it is defined."""

    retries: int = 0
    """How often it is tried again after it failed."""
    backoff: float = 1.0
    """Seconds before the first of them; doubled for each after, at most an hour."""
    timeout: float | None = None
    """Seconds after which an attempt is killed, and counts as failed."""
    cache: bool | str = True
    """False: it runs every time. A text is declared: another text is another result."""
    idempotent: bool = True
    """False: an attempt that nobody saw end is never repeated by itself."""
    cpu: int = 1
    """How many of the places of the machine it takes."""
    gpu: int = 0
    memory: int | None = None
    """MiB; it runs in a fence of its own, held to that."""
    outlets: tuple[str, ...] = ()
    """Datasets, models or buckets that it makes new: what other pipelines wait for."""
    fence: str = "warm"
    """``warm``: a process of its own in the fence of the pipeline; ``fresh``: its own fence, as
    every task has here that takes data or says ``mlflow``."""
    pool: str | None = None
    """``disk:2``: two tasks of the pool ``disk`` at a time, of all pipelines of the lab."""

    on: str | None = None
    """Which of the machines that the run was given: its address, its host alone, ``local``."""

    def plain(self) -> dict[str, Any]:
        """As it stands in a plan."""
        said = asdict(self) | {"outlets": list(self.outlets)}
        return {name: value for name, value in said.items() if name != "on" or value}


class Building(Protocol):
    """The pipeline that is being defined."""

    def add(self, task: Task, given: Mapping[str, Any], place: Place) -> Any:
        """A step that runs ``task``."""

    def map(self, task: Task, given: Mapping[str, Any], place: Place) -> Any:
        """A step that runs ``task`` for each item of a list."""

    def implied(self, task: Task, place: Place) -> Any:
        """The one step of a task that is named without being called."""

    def chain(self, left: Any, right: Any, place: Place) -> Any:
        """Orders ``right`` after ``left``, and feeds it; gives ``right`` as steps."""


CURRENT: ContextVar[Building | None] = ContextVar("pipeline", default=None)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What ``@task`` makes of a function; called outside of a pipeline it is that function."""

    function: Callable[..., Any]
    name: str
    settings: Settings
    place: Place
    kind: str = "python"
    told: Mapping[str, Any] = field(default_factory=dict)
    """What a shell command or a notebook is, beside its arguments."""

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """By name, in their order."""
        return _signature(self.function).parameters

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In a pipeline, a step that will run it; elsewhere, the function's own result."""
        building = CURRENT.get()
        if building is None:
            return self.function(*args, **kwargs)
        place = here()
        return building.add(self, self.bound(args, kwargs, place), place)

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """A step for each item of the one argument that is a list, or will be one."""
        building, place = CURRENT.get(), here()
        if building is None:
            raise wrong(place, f"{self.name}.map() stands outside of a pipeline")
        return building.map(self, self.bound(args, kwargs, place), place)

    def bound(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], place: Place
    ) -> Mapping[str, Any]:
        """Arguments by name; what is missing may still come by ``>>``."""
        try:
            return _signature(self.function).bind_partial(*args, **kwargs).arguments
        except TypeError as error:
            raise wrong(place, f"{self.name}: {error}") from error

    def __rshift__(self, right: Any) -> Any:
        return _chain(self, right)

    def __rrshift__(self, left: Any) -> Any:
        return _chain(left, self)


@functools.lru_cache(maxsize=4096)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Looked at once: a pipeline may have a hundred thousand steps of one task."""
    return inspect.signature(function)


def _chain(left: Any, right: Any) -> Any:
    building, place = CURRENT.get(), here()
    if building is None:
        raise wrong(place, ">> stands outside of a pipeline", "write `with pipeline(NAME):`")
    return building.chain(left, right, place)


def task(function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Makes a task of a function: ``@task`` or ``@task(retries=3, timeout=60)``.

    Raises BadInput, naming the line, for a setting that there is not or cannot be.
    """
    place = here()

    def make(one: Callable[..., Any]) -> Task:
        for parameter in inspect.signature(one).parameters.values():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise wrong(place, f"{one.__name__}: a task takes its arguments by name")
        return Task(one, checked_name(one.__name__, place), checked(settings, place), place)

    return make if function is None else make(function)


def checked(settings: Mapping[str, Any], place: Place) -> Settings:
    """The settings, if they can be met."""
    unknown = set(settings) - set(Settings.__dataclass_fields__)
    if unknown:
        import difflib

        name = min(unknown)
        close = difflib.get_close_matches(name, Settings.__dataclass_fields__, 1)
        raise wrong(place, f"a task has no setting {name!r}", f"{close[0]}?" if close else None)
    for name, value in settings.items():
        if name in _KINDS:
            _require_kind(name, value, place)
    outlets = settings.get("outlets", ())
    listed = (outlets,) if isinstance(outlets, str) else tuple(outlets)
    made = Settings(**{**settings, "outlets": listed})
    for asset in listed:
        if not is_asset(asset) and not PAGE.fullmatch(str(asset)):
            raise wrong(place, f"outlets: {asset!r} is no asset", f"{ASSETS}; or page:FILE.md")
    if made.retries and not made.idempotent:
        raise wrong(place, "a task that is not idempotent has no retries")
    if made.pool is not None and not _POOL.fullmatch(made.pool):
        raise wrong(place, f"pool is a name and its places, disk:2, not {made.pool!r}")
    if made.fence not in FENCES:
        raise wrong(place, f"fence is {' or '.join(FENCES)}, not {made.fence!r}")
    if made.timeout is not None and made.timeout <= 0:
        raise wrong(place, "timeout is a number of seconds above 0")
    return made


def _require_kind(name: str, value: object, place: Place) -> None:
    words, kinds, least = _KINDS[name]
    if type(value) not in kinds:
        raise wrong(place, f"{name} is {words}, not {value!r}")
    if isinstance(value, int | float) and value < least:
        raise wrong(place, f"{name} is at least {least}")


def checked_name(name: str, place: Place) -> str:
    """A name of a task, step or pipeline."""
    if not NAME.fullmatch(name):
        raise wrong(place, f"{name!r} is no name: letters, digits, _ . and -, at most 64")
    return name

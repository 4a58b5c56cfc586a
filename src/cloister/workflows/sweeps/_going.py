"""What a sweep is about while it goes on: trials under way, what is said of them, the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloister.core.errors import CloisterError
from cloister.core.ids import RunId
from cloister.jobs import history as jobs
from cloister.workflows.sweeps._plan import Chosen
from cloister.workflows.sweeps._trials import Logged, Outcome

Start = Callable[[RunId, int], None]
"""Starts a process that performs a run and holds the lock."""
Heard = Callable[[CloisterError], None]
"""Told once, each time that a machine is away, of what was heard."""


def nothing(_: CloisterError) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Best:
    """The trial to beat."""

    number: int
    run: RunId
    value: float
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a trial, and how the sweep stands."""

    number: int
    run: RunId
    state: str
    """How it ended; ``moved`` for one that is tried again, with ``why``."""
    why: str
    value: float | None
    values: Mapping[str, Any]
    best: Best | None
    ended: int
    of: int
    """How many there may be at most; 0 where nobody said."""
    on: str | None = None
    """The other machine that it runs on, or ran on; None: this one."""


@dataclass(frozen=True, slots=True)
class Doing:
    """How it is done this time."""

    jobs: int | None
    """Trials at a time; None: one a machine."""
    start: Start
    tell: Callable[[Moment], None]
    count: int | None = None
    """Trials to begin now, at most."""
    on: tuple[str, ...] = ()
    """Where trials run: addresses and ``local``. Empty: where they ran, at first here."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the caller's shell has."""
    away: Heard = nothing


@dataclass(slots=True)
class Going:
    """A trial that has not ended, as far as the record says."""

    number: int
    run: RunId
    chosen: Chosen
    pruned: bool = False
    stopped: bool = False
    state: str = jobs.QUEUED
    logged: Logged | None = None
    tries: int = 1
    """See `Trial`."""
    moved: bool = False
    """It was begun before, as another run."""
    doubted: bool = False
    """Its machine is asked whether it is there."""


@dataclass(frozen=True, slots=True)
class Over:
    """A trial that has ended, which is not on record yet."""

    going: Going
    ended: Outcome

"""What is asked of a run of a pipeline, and what is said of it at its end."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cloister.core.ids import FlowId, RunId
from cloister.core.values import FenceLevel
from cloister.pipelines.progress import State


@dataclass(frozen=True, slots=True)
class FlowRequest:
    """Which pipeline to run, and how."""

    file: str
    """Relative to ``workdir``."""
    workdir: Path
    environment: Mapping[str, str] = field(repr=False)
    name: str | None = None
    """Which of the file's pipelines; None where there is one."""
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Parameters, as text."""
    slots: int = 0
    """How many calls at a time; 0 for one a processor."""
    anew: bool = False
    """Uses no earlier result again."""
    since: tuple[str, ...] = ()
    """Steps that are made again, and whatever comes of them."""
    on: tuple[str, ...] = ()
    """Where calls are made: ``local`` and addresses; none: where the lab says, or here."""
    required: FenceLevel = FenceLevel.FULL
    python: str = sys.executable
    reason: str = "asked"
    due: str | None = None
    step: str | None = None
    """The one step, or item, that is wanted with all that it needs; each call is tried once."""
    shape: str | None = None
    """What ``pipelines.target.shape`` of the plan must be; None for anything."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a worker has to know to read the same plan as another did."""

    file: str
    """Relative to its working folder."""
    name: str
    chosen: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FlowReport:
    """What happened."""

    flow: FlowId
    pipeline: str
    state: str
    steps: int
    made: int
    reused: int
    left_out: int
    failures: tuple[tuple[str, str | None, str], ...]
    """(step, run, why)."""
    blocked: int
    worker: RunId
    took_s: float
    """From the start of the fence to the end on record."""
    steps_s: float
    """From the plan on record on."""
    due: str | None = None
    """The time that a backfill ran it for."""
    wanted: tuple[State, RunId | None] | None = None
    """What became of the one step that was wanted, and the run that holds what it gave."""


class Moment(NamedTuple):
    """Something that happened, for whoever watches."""

    what: str
    """Of a call ``begun``, ``done``, ``reused``, ``failed``, ``again``; of a worker ``joined``,
    ``away``."""
    name: str
    run: str | None
    detail: str
    done: int
    of: int

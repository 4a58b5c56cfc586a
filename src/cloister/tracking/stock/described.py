"""What a store of a stock MLflow holds, whichever form it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cloister.tracking.inputs import Inputs
from cloister.tracking.logged_models import Measured
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.tracking.stock.traces import StockTrace


@dataclass(frozen=True, slots=True)
class StockExperiment:
    """An experiment."""

    id: str
    name: str
    stage: str
    """``active`` or ``deleted``."""
    created_ms: int
    tags: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class StockRun:
    """A run, without its points."""

    id: str
    experiment: str
    name: str
    user_id: str
    status: str
    started_ms: int
    ended_ms: int | None
    stage: str
    params: tuple[Note, ...]
    tags: tuple[Note, ...]
    artifacts: Path | None
    """Where its artifacts lie; None where that is not on this machine."""


@dataclass(frozen=True, slots=True)
class StockLoggedModel:
    """A logged model (since MLflow 3)."""

    id: str
    experiment: str
    run: str
    name: str
    kind: str
    status: str
    created_ms: int
    updated_ms: int
    params: tuple[Note, ...]
    tags: tuple[Note, ...]
    artifacts: Path | None
    metrics: tuple[Measured, ...] = ()


@dataclass(frozen=True, slots=True)
class StockVersion:
    """One version of a registered model."""

    number: int
    created_ms: int
    updated_ms: int
    description: str
    stage: str
    source: str
    run: str
    status: str
    tags: tuple[Note, ...]
    model: str = ""
    """The logged model that it is, if it is one."""


@dataclass(frozen=True, slots=True)
class StockModel:
    """A registered model with its versions."""

    name: str
    description: str
    created_ms: int
    updated_ms: int
    tags: tuple[Note, ...]
    aliases: tuple[tuple[str, int], ...]
    versions: tuple[StockVersion, ...]


class StockStore(Protocol):
    """A store, open for reading; it is never written to.

    Everything comes in one stable order. Raises BadInput for what is no such store.
    """

    def experiments(self) -> Iterator[StockExperiment]:
        """All of them, deleted ones too."""

    def runs(self, experiment: str) -> Iterator[StockRun]:
        """The runs of an experiment, deleted ones too, oldest first."""

    def points(self, run: StockRun) -> Iterator[Point]:
        """The whole history of every metric of a run."""

    def inputs(self, run: StockRun) -> Inputs:
        """What a run read and made."""

    def logged_models(self, experiment: str) -> Iterator[StockLoggedModel]:
        """The logged models of an experiment, oldest first."""

    def models(self) -> Iterator[StockModel]:
        """The registry."""

    def close(self) -> None:
        """Lets go of it."""


class TracedStore(StockStore, Protocol):
    """A store that may hold traced calls as well (since MLflow 2.14)."""

    def traces(self, experiment: str) -> Iterator[StockTrace]:
        """Those of an experiment, oldest first."""

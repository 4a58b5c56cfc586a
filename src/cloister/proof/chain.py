"""One patient's or one model's way through the lab, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """What a reader should notice about an item."""

    NONE = ""
    ERASED = "erased"
    TAINTED = "tainted"
    UNRELEASED = "unreleased"


@dataclass(frozen=True, slots=True)
class Item:
    """One record, run, model ...: its name, its cells, and what it came from."""

    name: str
    cells: tuple[str, ...] = ()
    """One for each column of its stage."""
    origins: tuple[str, ...] = ()
    """Names of items of earlier stages."""
    mark: Mark = Mark.NONE


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the chain: patient, record, label, version, run, model, prediction."""

    title: str
    columns: tuple[str, ...]
    items: tuple[Item, ...]
    more: int = 0
    """How many there are besides those shown."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages, in the order in which one made the next."""

    title: str
    facts: tuple[tuple[str, str], ...]
    """Lab, time, checkpoint: what the page says of itself."""
    stages: tuple[Stage, ...]

"""What the kernel can put around a job, and the level that each combination earns."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import StrEnum

from cloister.core.values import FenceLevel


class Wall(StrEnum):
    """One mechanism; each is tried for real, never looked up."""

    NAMESPACES = "namespaces"
    """User, mount, PID, network, IPC, UTS and cgroup namespaces, and a new root."""
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"


ALL_WALLS = frozenset(Wall)
_STRENGTH = (FenceLevel.NONE, FenceLevel.PARTIAL, FenceLevel.FULL)


def level_of(walls: AbstractSet[Wall]) -> FenceLevel:
    """FULL is all of them; two still hold a job back; one alone is not called a fence."""
    return _STRENGTH[max(0, len(walls) - 1)]


def satisfies(level: FenceLevel, required: FenceLevel) -> bool:
    """Whether ``level`` is at least ``required``."""
    return _STRENGTH.index(level) >= _STRENGTH.index(required)


class WallRefused(Exception):
    """The host refused one wall while a job was being set up; nothing of the job ran."""

    def __init__(self, wall: Wall, number: int, step: str) -> None:
        super().__init__(f"{wall} refused at {step or 'start'}")
        self.wall = wall
        self.number = number
        self.step = step

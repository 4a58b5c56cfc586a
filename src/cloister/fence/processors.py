"""A bound on a job's processor time: a control group where this user may make one.

Which processors a job runs on is only asked of it (sched_setaffinity(2)): libraries start as
many threads as they are told, but a job may ask the kernel for other processors.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cloister.fence.memory import MemoryGroup, removed

_SELF = Path("/proc/self")
_PERIOD_US = 100_000


@dataclass(frozen=True, slots=True)
class ProcessorGroup:
    """One control group for one job; all of it together gets no more time than that."""

    folder: Path
    own: bool
    """Whether it was made for this alone, and goes with it."""

    @classmethod
    def create(
        cls, cpus: int, beside: MemoryGroup | None = None, process: Path = _SELF
    ) -> Self | None:
        """A group that is held to ``cpus``; None where that is not allowed.

        In version 2 a process is in one group for everything: in that of its memory, where
        it has one.
        """
        quota = cpus * _PERIOD_US
        if beside is not None and (beside.folder / "cpu.max").exists():
            made = cls(beside.folder, own=False)
            return made if _written(made.folder / "cpu.max", f"{quota} {_PERIOD_US}") else None
        for parent, name, text in _parents(process, quota):
            folder = parent / f"cloister-{secrets.token_hex(6)}"
            try:
                folder.mkdir()
            except OSError:
                continue
            if _written(folder / name, text):
                return cls(folder, own=True)
            folder.rmdir()
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.own:
            removed(self.folder)

    def admit(self, process: int) -> None:
        """Moves a process in; what it starts is in as well."""
        if self.own:
            (self.folder / "cgroup.procs").write_text(str(process))


def _parents(process: Path, quota: int) -> Iterator[tuple[Path, str, str]]:
    """Where a group may be made, and what to write there (cgroup-v2.rst, sched-bwc.rst)."""
    mounts = [line.split() for line in (process / "mounts").read_text().splitlines()]
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for _, point, kind, options, *_ in mounts:
            here = Path(point + path)
            known = {"cpu"} <= {*options.split(",")} & {*controllers.split(",")}
            if kind == "cgroup" and known:
                yield here, "cpu.cfs_quota_us", str(quota)
            if kind == "cgroup2" and controllers == "":
                for above in here.parents:
                    if _gives_processors(above):
                        yield above, "cpu.max", f"{quota} {_PERIOD_US}"


def _gives_processors(folder: Path) -> bool:
    try:
        given = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
    return "cpu" in given and os.access(folder, os.W_OK)


def _written(path: Path, text: str) -> bool:
    try:
        path.write_text(text)
    except OSError:
        return False
    return True

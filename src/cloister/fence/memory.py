"""A bound on a job's memory: a control group where this user may make one."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_SELF = Path("/proc/self")
_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Dialect:
    """File names of one version of control groups (cgroup-v2.rst, cgroup-v1/memory.rst)."""

    limit: str
    with_swap: str
    peak: str
    events: str


_V1 = Dialect(
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.oom_control",
)
_V2 = Dialect("memory.max", "memory.swap.max", "memory.peak", "memory.events")


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """One control group for one job; swap is closed to it, so its plaintext stays in memory."""

    folder: Path
    dialect: Dialect

    @classmethod
    def create(cls, limit_bytes: int, process: Path = _SELF) -> Self | None:
        """A group beside or below this process's own; None where that is not allowed."""
        for parent, dialect in _parents(process):
            folder = parent / f"cloister-{secrets.token_hex(6)}"
            try:
                folder.mkdir()
            except OSError:
                continue
            group = cls(folder, dialect)
            if group._bound(limit_bytes):
                return group
            folder.rmdir()
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        removed(self.folder)

    def admit(self, process: int) -> None:
        """Moves a process in; what it starts is in as well."""
        (self.folder / "cgroup.procs").write_text(str(process))

    @property
    def peak_bytes(self) -> int:
        """The most that all of it used together; 0 where the kernel does not say."""
        try:
            return int((self.folder / self.dialect.peak).read_text())
        except OSError:
            return 0

    @property
    def was_exhausted(self) -> bool:
        """Whether the kernel killed part of the job at the limit."""
        for line in (self.folder / self.dialect.events).read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count) > 0
        return False

    def _bound(self, limit_bytes: int) -> bool:
        try:
            (self.folder / self.dialect.limit).write_text(str(limit_bytes))
        except OSError:
            return False
        swap = 0 if self.dialect is _V2 else limit_bytes  # version 1 counts both together
        try:
            (self.folder / self.dialect.with_swap).write_text(str(swap))
        except OSError:
            return True  # a kernel without swap accounting
        return True


def removed(folder: Path) -> None:
    """Removes a group; its processes are gone, but the kernel may be a moment behind."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline_s:
                raise
            time.sleep(0.005)
        else:
            return


def _parents(process: Path) -> Iterator[tuple[Path, Dialect]]:
    """Where a group may be made: in one's own (version 1), or beside it (version 2)."""
    mounts = [line.split() for line in (process / "mounts").read_text().splitlines()]
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for _, point, kind, options, *_ in mounts:
            own = Path(point + path)
            if kind == "cgroup" and "memory" in options.split(",") and controllers == "memory":
                yield own, _V1
            if kind == "cgroup2" and controllers == "":
                yield from ((above, _V2) for above in own.parents if _gives_memory(above))


def _gives_memory(folder: Path) -> bool:
    try:
        given = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
    return "memory" in given and os.access(folder, os.W_OK)

"""Checkpoints: files that a job writes now and then, found whole while it runs."""

from __future__ import annotations

import fnmatch
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

LARGEST = 4 << 30
MOST = 64
"""So many at a time."""
_CHUNK = 1 << 20
_DEEPEST = 32
_MOMENT_S = 1.0
_State = tuple[int, int, int]
"""Inode, size, time of change: a file that has all three twice was not written between."""


class Torn(Exception):
    """A file was written to while it was read."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that rested for a moment."""

    path: str = field(repr=False)
    size_bytes: int
    chunks: Iterator[bytes] = field(repr=False)
    """To be read to its end, before the next is taken; raises Torn."""


Take = Callable[[Iterable[Checkpoint]], None]
"""Called with all that were found at one time."""


@dataclass(slots=True)
class Checkpoints:
    """Which files are checkpoints, and which of them were taken already.

    A file is whole when nothing was written to it for a moment. It is held open meanwhile, so
    that one which is replaced (written under another name and renamed, as it should be) is
    whole as well, however often it is replaced.
    """

    patterns: Sequence[str]
    """Shell patterns over paths in the working folder; without a slash, over names."""
    every_s: float = 30.0
    sealed: int = 0
    _held: dict[str, tuple[int, _State]] = field(default_factory=dict)
    _kept: dict[str, _State] = field(default_factory=dict)
    _next_s: float = 0.0

    @property
    def moment_s(self) -> float:
        """How long a file must rest, and so how often to look."""
        return min(_MOMENT_S, self.every_s / 2)

    def are(self, path: str) -> bool:
        """Whether a file of this path is one."""
        return any(_matches(path, pattern) for pattern in self.patterns)

    def look(self, folder: int, take: Take) -> None:
        """Hands over every matching file that is whole, as often as is due."""
        if self._held:
            try:
                take(self._whole())
            finally:
                self.release()
        elif time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self.every_s - self.moment_s
            self._hold(folder)

    def release(self) -> None:
        """Lets go of files that are still held: the job has ended, all it left is captured."""
        while self._held:
            os.close(self._held.popitem()[1][0])

    def _hold(self, folder: int) -> None:
        for path, state in self._matching(folder):
            if self._kept.get(path) == state or len(self._held) >= MOST:
                continue
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                descriptor = os.open(path, flags, dir_fd=folder)
            except OSError:
                continue  # replaced at this moment: the next look finds the new one
            self._held[path] = descriptor, _state(os.fstat(descriptor))

    def _whole(self) -> Iterator[Checkpoint]:
        for path, (descriptor, state) in sorted(self._held.items()):
            if _state(os.fstat(descriptor)) == state:
                yield Checkpoint(path, state[1], self._read(path, descriptor, state))

    def _read(self, path: str, descriptor: int, state: _State) -> Iterator[bytes]:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
                if _state(os.fstat(descriptor)) != state:
                    raise Torn
        if _state(os.fstat(descriptor)) != state:
            raise Torn
        self._kept[path] = state

    def _matching(self, folder: int) -> Iterator[tuple[str, _State]]:
        for at, folders, names, here in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
            prefix = at.removeprefix(".").removeprefix("/")
            if prefix.count("/") >= _DEEPEST:
                folders.clear()
            for name in names:
                path = f"{prefix}/{name}" if prefix else name
                if not self.are(path):
                    continue
                try:
                    facts = os.stat(name, dir_fd=here, follow_symlinks=False)
                except FileNotFoundError:
                    continue  # renamed at this moment: it is found under its new name
                if stat.S_ISREG(facts.st_mode) and facts.st_size <= LARGEST:
                    yield path, _state(facts)


@dataclass(frozen=True, slots=True)
class Looks:
    """The look of a `Watch` for checkpoints: known by what it is, so that another machine can
    do it."""

    checkpoints: Checkpoints
    take: Take

    def __call__(self, folder: int) -> None:
        """See `Watch.look`."""
        self.checkpoints.look(folder, self.take)


def _matches(path: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path if "/" in pattern else os.path.basename(path), pattern)


def _state(facts: os.stat_result) -> _State:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns

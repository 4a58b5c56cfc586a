"""Checkpoints: files that a job writes now and then, sealed while it runs."""

from __future__ import annotations

import fnmatch
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cloister.core.ids import RunId
from cloister.workflows._keeping import Keeper
from cloister.workflows.lab import Act

_DEEPEST = 32
_LARGEST = 4 << 30
_MOMENT_S = 1.0
_MOST_HELD = 64
KIND = "checkpoint"
_State = tuple[int, int, int]
"""Inode, size, time of change: a file that has all three twice was not written between."""


@dataclass(slots=True)
class Checkpoints:
    """Which files are checkpoints, and what of them is sealed already.

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

    def look(self, act: Act, run: RunId) -> Callable[[int], None]:
        """Seals, and puts on record, every matching file that is whole."""

        def look(folder: int) -> None:
            if self._held:
                self._seal(act, run)
            elif time.monotonic() >= self._next_s:
                self._next_s = time.monotonic() + self.every_s - self.moment_s
                self._hold(folder)

        return look

    def release(self) -> None:
        """Lets go of files that are still held: the job has ended, all it left is captured."""
        while self._held:
            os.close(self._held.popitem()[1][0])

    def _hold(self, folder: int) -> None:
        for path, state in _matching(folder, self.patterns):
            if self._kept.get(path) == state or len(self._held) >= _MOST_HELD:
                continue
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                descriptor = os.open(path, flags, dir_fd=folder)
            except OSError:
                continue  # replaced at this moment: the next look finds the new one
            self._held[path] = descriptor, _state(os.fstat(descriptor))

    def _seal(self, act: Act, run: RunId) -> None:
        whole: dict[str, _State] = {}
        try:
            with act.lab.store.writer("derived") as writer:
                keeper = Keeper(act, run, writer)
                for path, (descriptor, state) in sorted(self._held.items()):
                    if _state(os.fstat(descriptor)) != state:
                        continue
                    with os.fdopen(os.dup(descriptor), "rb") as file:
                        content = file.read()
                    if _state(os.fstat(descriptor)) == state:
                        keeper.keep(path, KIND, content)
                        whole[path] = state
                if whole:
                    act.record(keeper.events(), keeper.placements())
        finally:
            self.release()
        self._kept |= whole
        self.sealed += len(whole)


def _matching(folder: int, patterns: Sequence[str]) -> Iterator[tuple[str, _State]]:
    for at, folders, names, here in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
        prefix = at.removeprefix(".").removeprefix("/")
        if prefix.count("/") >= _DEEPEST:
            folders.clear()
        for name in names:
            path = f"{prefix}/{name}" if prefix else name
            if not any(_matches(path, name, pattern) for pattern in patterns):
                continue
            try:
                facts = os.stat(name, dir_fd=here, follow_symlinks=False)
            except FileNotFoundError:
                continue  # renamed at this moment: it is found under its new name
            if stat.S_ISREG(facts.st_mode) and facts.st_size <= _LARGEST:
                yield path, _state(facts)


def _matches(path: str, name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path if "/" in pattern else name, pattern)


def _state(facts: os.stat_result) -> _State:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns

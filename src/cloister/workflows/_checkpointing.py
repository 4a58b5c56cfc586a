"""Checkpoints: files that a job writes now and then, sealed while it runs."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cloister.core.ids import RunId
from cloister.runs import history
from cloister.runs.history import RunOutput
from cloister.workflows._keeping import Keeper, unseal_output
from cloister.workflows.lab import Act, Lab
from cloister.workflows.unseal import open_keys

_DEEPEST = 32
_LARGEST = 4 << 30
KIND = "checkpoint"
_State = tuple[int, int, int]
"""Inode, size and time of change: a file that has all three twice was not written between."""


@dataclass(slots=True)
class Checkpoints:
    """Which files are checkpoints, and what of them is sealed already."""

    patterns: Sequence[str]
    """Shell patterns over paths in the working folder; without a slash, over names."""
    every_s: float = 30.0
    sealed: int = 0
    _seen: dict[str, _State] = field(default_factory=dict)
    _kept: dict[str, _State] = field(default_factory=dict)

    def look(self, act: Act, run: RunId) -> Callable[[int], None]:
        """Seals, and puts on record, every matching file that has come to rest."""

        def look(folder: int) -> None:
            ready = [path for path, state in self._resting(folder) if self._is_new(path, state)]
            if ready:
                with act.lab.store.writer("derived") as writer:
                    keeper = Keeper(act, run, writer)
                    states = {path: self._keep(keeper, folder, path) for path in ready}
                    if keeper.kept:
                        act.record(keeper.events(), keeper.placements())
                whole = {path: state for path, state in states.items() if state is not None}
                self._kept |= whole
                self.sealed += len(whole)

        return look

    def _is_new(self, path: str, state: _State) -> bool:
        return self._kept.get(path) != state

    def _resting(self, folder: int) -> Iterator[tuple[str, _State]]:
        """Files that are as they were at the look before."""
        found = dict(_matching(folder, self.patterns))
        before, self._seen = self._seen, found
        for path, state in sorted(found.items()):
            if before.get(path) == state:
                yield path, state

    def _keep(self, keeper: Keeper, folder: int, path: str) -> _State | None:
        """Seals one file; None if it was written to meanwhile, and so is not whole."""
        try:
            descriptor = os.open(
                path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
            )
        except OSError:
            return None  # replaced or removed at this moment: the next look finds the new one
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            content = file.read()
            if _state(os.fstat(descriptor)) != _state(facts):
                return None
        keeper.keep(path, KIND, content)
        return _state(facts)


def latest(lab: Lab, run: RunId) -> dict[str, RunOutput]:
    """Path -> the newest checkpoint of it."""
    found = [one for one in lab.read(lambda tx: history.outputs(tx, run)) if one.kind == KIND]
    keys = open_keys(lab, [one.key for one in found])
    return {unseal_output(one, keys[one.seal]).path: one for one in found if one.seal in keys}


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

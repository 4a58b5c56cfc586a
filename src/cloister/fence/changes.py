"""What a job changed in its working folder, read out of the overlay before it vanishes."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import BinaryIO, Protocol

_DEEPEST = 128  # folders in folders; a job must not exhaust the runner's descriptors
_CHUNK = 1 << 20


class ChangeKind(StrEnum):
    """Against the working folder as it was."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One file or link; valid while ``capture`` runs."""

    path: str
    """Relative to the working folder; bytes that are not UTF-8 as lone surrogates."""
    kind: ChangeKind
    size_bytes: int = 0
    mode: int = 0
    link: str | None = None
    """Where a symbolic link points: as written, never followed."""
    source: Callable[[], BinaryIO] | None = field(default=None, repr=False)

    def open(self) -> BinaryIO:
        """The content, to be streamed; raises ValueError for what has none.

        Only until the next change is taken from the iterator.
        """
        if self.kind is ChangeKind.REMOVED or self.link is not None or self.source is None:
            raise ValueError("a removed file or a link has no content")
        return self.source()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something a job left that cannot be kept."""

    path: str = field(repr=False)
    why: str


class Captured(Protocol):
    """What a job changed, one by one, and what of it cannot be kept."""

    left_out: list[LeftOut]
    """Filled while iterating."""

    def __iter__(self) -> Iterator[Change]: ...


def _open_file(folder: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=folder)
    except PermissionError:
        os.chmod(name, 0o600, dir_fd=folder)  # the job took its owner's right away
        return os.open(name, flags, dir_fd=folder)


def _open_folder(parent: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, flags, dir_fd=parent)


class Changes:
    """Iterates over all changes by path; holds no content and no list of them in memory."""

    def __init__(
        self,
        upper: int,
        original: int,
        ignored: frozenset[str],
        *,
        complete: bool,
        largest: int,
    ) -> None:
        self._upper = upper
        self._original = original
        self._ignored = ignored
        self._complete = complete
        self._largest = largest
        self.left_out: list[LeftOut] = []
        """Filled while iterating."""

    def notes(self) -> list[str]:
        """How much was left out and why; no names, for these notes are not sealed."""
        counts = Counter(one.why for one in self.left_out)
        return [f"left out, {why}: {count}" for why, count in counts.items()]

    def __iter__(self) -> Iterator[Change]:
        yield from self._walk(self._upper, self._original, "")

    def _walk(self, upper: int, original: int | None, prefix: str) -> Iterator[Change]:
        if prefix.count("/") > _DEEPEST:
            self.left_out.append(LeftOut(prefix, "nested too deeply"))
            return
        names = sorted(os.listdir(upper))
        for name in names:
            if prefix + name not in self._ignored:
                yield from self._entry(upper, original, prefix + name)
        if original is not None and (self._complete or _is_opaque(upper)):
            for name in sorted(set(os.listdir(original)) - set(names)):
                if prefix + name not in self._ignored:
                    yield from _removed(original, prefix + name)

    def _entry(self, upper: int, original: int | None, path: str) -> Iterator[Change]:
        facts = _facts(upper, path)
        before = _facts(original, path)
        was_folder = before is not None and stat.S_ISDIR(before.st_mode)
        if facts is None or _is_whiteout(facts):
            yield from _removed(original, path)
        elif stat.S_ISDIR(facts.st_mode):
            if before is not None and not was_folder:
                yield Change(path, ChangeKind.REMOVED)
            yield from self._folder(upper, original if was_folder else None, path)
        else:
            if was_folder:
                yield from _removed(original, path)
            yield from self._file(upper, None if was_folder else original, path, facts)

    def _folder(self, upper: int, original: int | None, path: str) -> Iterator[Change]:
        name = os.path.basename(path)
        inner = _open_folder(upper, name)
        try:
            below = None if original is None else _open_folder(original, name)
            try:
                yield from self._walk(inner, below, path + "/")
            finally:
                if below is not None:
                    os.close(below)
        finally:
            os.close(inner)

    def _file(
        self, upper: int, original: int | None, path: str, facts: os.stat_result
    ) -> Iterator[Change]:
        name, link = os.path.basename(path), None
        if stat.S_ISLNK(facts.st_mode):
            link = os.readlink(name, dir_fd=upper)
        elif not stat.S_ISREG(facts.st_mode):
            self.left_out.append(LeftOut(path, "neither file nor link"))
            return
        elif facts.st_size > self._largest:
            self.left_out.append(LeftOut(path, "larger than all the space it had"))
            return
        before = _facts(original, path)
        if before is None:
            kind = ChangeKind.ADDED
        elif _same(upper, original or 0, name, facts, before):
            return
        else:
            kind = ChangeKind.CHANGED
        mode = stat.S_IMODE(facts.st_mode)
        yield Change(path, kind, facts.st_size, mode, link, partial(_content, upper, name))


def _content(folder: int, name: str) -> BinaryIO:
    return os.fdopen(_open_file(folder, name), "rb")


def _facts(folder: int | None, path: str) -> os.stat_result | None:
    if folder is None:
        return None
    try:
        return os.stat(os.path.basename(path), dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_whiteout(facts: os.stat_result) -> bool:
    return stat.S_ISCHR(facts.st_mode) and facts.st_rdev == 0  # overlayfs.rst: 0/0 device


def _is_opaque(folder: int) -> bool:
    try:
        return os.getxattr(folder, "user.overlay.opaque") == b"y"
    except OSError:
        return False


def _removed(original: int | None, path: str) -> Iterator[Change]:
    """Everything the original had at ``path``."""
    before = _facts(original, path)
    if before is None or original is None:
        return
    if not stat.S_ISDIR(before.st_mode):
        yield Change(path, ChangeKind.REMOVED)
        return
    folder = _open_folder(original, os.path.basename(path))
    try:
        for name in sorted(os.listdir(folder)):
            yield from _removed(folder, f"{path}/{name}")
    finally:
        os.close(folder)


def _same(
    upper: int, original: int, name: str, facts: os.stat_result, before: os.stat_result
) -> bool:
    """Whether only an open for writing, and no byte or mode, made the copy."""
    if (facts.st_mode, facts.st_size) != (before.st_mode, before.st_size):
        return False
    if stat.S_ISLNK(facts.st_mode):
        return os.readlink(name, dir_fd=upper) == os.readlink(name, dir_fd=original)
    with (
        os.fdopen(_open_file(upper, name), "rb") as new,
        os.fdopen(_open_file(original, name), "rb") as old,
    ):
        while (chunk := new.read(_CHUNK)) == old.read(_CHUNK):
            if not chunk:
                return True
    return False

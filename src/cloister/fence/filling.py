"""What a job is shown, file by file: written below a descriptor, here or on another machine."""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from cloister.core.errors import Tampered

_FOLDERS_OPEN = 200
"""Few enough for the usual limit of 1024 descriptors, enough for neighbours to be near."""


@dataclass(frozen=True, slots=True)
class File:
    """One file; its chunks can be read once, before the next file is asked for."""

    path: str = field(repr=False)
    """Relative to the folder that is filled."""
    chunks: Iterable[bytes] = field(repr=False)
    mtime_ns: int = 0
    """When it was changed; 0 leaves that to the clock."""


@dataclass(frozen=True, slots=True)
class Files:
    """A fill that is known file by file, so that it can be carried to another machine."""

    each: Callable[[], Iterable[File]]
    mode: int = 0o444

    def __call__(self, folder: int) -> None:
        """See `Fill`; raises Tampered for a path that leaves the folder, or comes twice."""
        with Folder(folder) as target:
            for one in self.each():
                target.write(one, self.mode)


class Folder:
    """A folder written to through one descriptor: nothing is looked up outside it."""

    def __init__(self, folder: int) -> None:
        self._root = folder
        self._open: OrderedDict[str, int] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def write(self, file: File, mode: int = 0o444) -> None:
        """Writes one file, making its folders."""
        descriptor = self._create(file.path, mode)
        try:
            for chunk in file.chunks:
                view = memoryview(chunk)
                while view:
                    view = view[os.write(descriptor, view) :]
            if file.mtime_ns:
                os.utime(descriptor, ns=(file.mtime_ns, file.mtime_ns))
        finally:
            os.close(descriptor)

    def _create(self, path: str, mode: int) -> int:
        # Our own walk finds no such path: whoever wrote it had a key, or two files changed
        # places while they were added.
        if "\0" in path or {"", ".", ".."}.intersection(path.split("/")):
            raise Tampered("a sealed path leaves its folder")
        parent, _, name = path.rpartition("/")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(name, flags, mode, dir_fd=self._directory(parent))
        except (FileExistsError, NotADirectoryError) as error:
            raise Tampered("two records claim one path") from error

    def _directory(self, path: str) -> int:
        if not path:
            return self._root
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        parent, _, name = path.rpartition("/")
        above = self._directory(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=above)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._open[path] = os.open(name, flags, dir_fd=above)
        if len(self._open) > _FOLDERS_OPEN:
            os.close(self._open.popitem(last=False)[1])
        return self._open[path]

"""Where the host forbids namespaces: a private folder that plays the parts of a new root.

It is the `0700 cache` of the threat model: wiped when the job ends, by the process that
watches the job if the runner dies, and by the next job if both were killed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cloister.core.errors import BadInput, NoSpace
from cloister.fence import system
from cloister.fence.inside.copying import copy_tree
from cloister.fence.inside.descendants import wipe
from cloister.fence.spec import FenceSpec, Fill
from cloister.fence.view import View

_PREFIX = "cloister-job-"
_LOCK, _TMP, _ORIGINAL = "lock", "tmp", "original"


@dataclass(frozen=True, slots=True)
class Cache:
    """The folder of one job; ``work`` is a copy, data is linked from its own folder."""

    folder: str
    lock: int
    moved: tuple[tuple[str, str], ...]
    """Paths of the view and where they are in fact, longest first."""

    @classmethod
    def create(cls, view: View) -> Self:
        """An empty one in memory (in the temporary folder, if the host has no /dev/shm)."""
        folder, lock = _private()
        for name in (
            "work",
            _ORIGINAL,
            "home",
            _TMP,
            *(f"data{n}" for n in range(len(view.data))),
        ):
            (folder / name).mkdir(0o700)
        return cls(str(folder), lock, tuple(_moved(view, str(folder))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        wipe([os.fsencode(self.folder)])
        os.close(self.lock)

    def fill(self, view: View) -> None:
        """Copies the working folder, has the data written, links it where it belongs."""
        work = f"{self.folder}/work"
        hidden = frozenset(os.fsencode(path) for path in view.hidden)
        if view.restored is not None:
            self._fill(view.workdir, view.restored, _ORIGINAL)
        source = self.original(view) or view.workdir
        copy_tree(os.fsencode(source), os.fsencode(work), hidden)
        if view.prepared is not None:
            self._fill(view.workdir, view.prepared, "work")
        for place, (path, mount) in enumerate(view.data):
            if system.lies_in(view.workdir, path):
                raise BadInput(
                    "without namespaces the working folder cannot lie inside the data",
                    hint="run from another folder, or allow user namespaces on this host",
                )
            self._fill(path, mount.fill, f"data{place}")
            if system.lies_in(path, view.workdir):
                _link(f"{work}/{os.path.relpath(path, view.workdir)}", self.place(path))

    def _fill(self, path: str, write: Fill, name: str) -> None:
        folder = os.open(f"{self.folder}/{name}", os.O_RDONLY | os.O_DIRECTORY)
        try:
            fill(path, write, folder)
        finally:
            os.close(folder)

    def original(self, view: View) -> str | None:
        """The working folder as it was, where that is not what lies at its path."""
        return f"{self.folder}/{_ORIGINAL}" if view.restored is not None else None

    def place(self, path: str) -> str:
        """Where something of the view is in fact."""
        for seen, real in self.moved:
            if system.lies_in(path, seen):
                return real + path[len(seen) :]
        return path

    def translated(self, argument: str) -> str:
        """A command's word with the path in it, alone or after ``=``, moved as well."""
        option, equals, value = argument.partition("=")
        if equals and value.startswith("/"):
            return f"{option}={self.place(value)}"
        return self.place(argument) if argument.startswith("/") else argument

    def environment(self, spec: FenceSpec) -> dict[str, str]:
        """The job's variables, with HOME, temporary folder and data where they are in fact."""
        own = {system.HOME: f"{self.folder}/home", system.TEMPORARY: f"{self.folder}/{_TMP}"}
        own |= {seen: real for seen, real in self.moved if seen not in own}
        return {name: own.get(value, value) for name, value in spec.env.items()}


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder in memory that only this user enters, wiped when the block ends.

    What a killed process left is wiped by the next that makes one.
    """
    folder, lock = _private()
    inner = folder / "work"
    try:
        inner.mkdir(0o700)
        yield inner
    finally:
        wipe([os.fsencode(folder)])
        os.close(lock)


def sweep() -> None:
    """Wipes what processes left that were killed, all at once."""
    _sweep(_base())


def _base() -> Path:
    """Memory; the temporary folder, if the host has no /dev/shm."""
    base = Path(system.SHARED_MEMORY)
    return base if os.access(base, os.W_OK) else Path(system.TEMPORARY)


def _private() -> tuple[Path, int]:
    """A new folder and the lock that says that somebody is at it."""
    base = _base()
    _sweep(base)
    folder = base / f"{_PREFIX}{os.geteuid()}-{secrets.token_hex(8)}"
    unlocked = folder.with_name(f".{folder.name}")  # not yet for the next job to find
    unlocked.mkdir(0o700)
    lock = os.open(unlocked / _LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unlocked.rename(folder)
    return folder, lock


def fill(path: str, write: Fill, folder: int) -> None:
    """Has the data written; raises NoSpace when the memory set aside for it is too small."""
    try:
        write(folder)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise NoSpace(
            f"the data for {path} does not fit into the memory of this host",
            hint="use a part of the dataset, or a host with more memory",
        ) from error


def _moved(view: View, folder: str) -> Iterator[tuple[str, str]]:
    places = [(view.workdir, f"{folder}/work")]
    for place, (path, mount) in enumerate(view.data):
        name = f"/{os.path.basename(mount.path)}" if mount.is_file else ""
        places.append((path, f"{folder}/data{place}{name}"))
    yield from sorted(places, key=lambda pair: -len(pair[0]))


def _link(path: str, target: str) -> None:
    """Puts a link to the data where the copy may hold the original's plain files."""
    if os.path.isdir(path) and not os.path.islink(path):
        wipe([os.fsencode(path)])
    elif os.path.lexists(path):
        os.unlink(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def _sweep(base: Path) -> None:
    """Wipes what jobs left whose every process was killed at once."""
    for folder in base.glob(f"{_PREFIX}{os.geteuid()}-*"):
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
            continue
        try:
            lock = os.open(folder / _LOCK, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            continue  # being made or removed at this moment
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            wipe([os.fsencode(folder)])
        except BlockingIOError:
            continue  # alive
        finally:
            os.close(lock)

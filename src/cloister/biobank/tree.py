"""Every entry under a folder, in one order, without ever following a link out of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cloister.biobank.items import Quarantine
from cloister.core.errors import BadInput, NotFound

LONGEST_PATH = 4095  # bytes; Linux PATH_MAX without its NUL
DEEPEST = 100  # folders; each holds one descriptor open

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a pipe put in a file's place must not block us for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Root:
    """The folder that is walked, its own path without links; ``only`` names a single file."""

    folder: Path
    only: str | None = None

    @classmethod
    def find(cls, path: Path) -> Root:
        """The folder, or the file, at ``path``; raises NotFound or BadInput."""
        try:
            real = Path(os.path.realpath(path, strict=True))
            mode = real.stat().st_mode
        except FileNotFoundError:
            raise NotFound("there is no such file or folder to add") from None
        except OSError as error:
            raise BadInput(f"the folder cannot be opened: {error.strerror}") from None
        if stat.S_ISDIR(mode):
            return cls(real)
        if stat.S_ISREG(mode):
            return cls(real.parent, real.name)
        raise BadInput("only a folder or a file can be added, not a device, pipe or socket")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder, not yet opened."""

    path: str
    folder_fd: int
    """The folder it is in; open only until the next entry is asked for."""
    refused: Quarantine | None = None
    link: bool = False

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Survey:
    """How much there is, before any of it is read."""

    files: int
    size_bytes: int


def survey(path: Path) -> Survey:
    """Counts files and their bytes, for a progress bar and the free-space check.

    A sparse file counts with the size it shows, since that is what sealing it takes.
    """
    root, files, size_bytes = Root.find(path), 0, 0
    for entry in entries(root):
        if entry.refused is not None:
            continue
        try:
            found = os.stat(
                root.folder / entry.path if entry.link else entry.name,
                dir_fd=None if entry.link else entry.folder_fd,
            )
        except OSError:
            continue  # the walk will say what is wrong with it
        if stat.S_ISREG(found.st_mode):
            files += 1
            size_bytes += found.st_size
    return Survey(files, size_bytes)


def entries(root: Root) -> Iterator[Entry]:
    """Files, links and whatever cannot be descended into; ordered by the bytes of names."""
    try:
        folder = os.open(root.folder, _FOLDER)
    except OSError as error:
        raise BadInput(f"the folder cannot be listed: {error.strerror}") from None
    try:
        if root.only is not None:
            yield Entry(root.only, folder)
        else:
            room = LONGEST_PATH - len(os.fsencode(root.folder)) - 1
            yield from _inside(folder, "", room, DEEPEST)
    finally:
        os.close(folder)


def _inside(folder: int, prefix: str, room: int, levels: int) -> Iterator[Entry]:
    """``room``: bytes that a path may still have; ``levels``: folders it may still descend."""
    found = _listing(folder)
    if not found and prefix:
        why = Quarantine.UNREADABLE if found is None else Quarantine.EMPTY_FOLDER
        yield Entry(prefix[:-1], folder, why)
    for item in found or ():
        path = prefix + item.name
        if len(os.fsencode(path)) > room:
            yield Entry(path, folder, Quarantine.PATH_TOO_LONG)
        elif item.is_symlink():
            yield Entry(path, folder, link=True)
        elif item.is_dir(follow_symlinks=False):
            yield from _below(Entry(path, folder), room, levels - 1)
        elif item.is_file(follow_symlinks=False):
            yield Entry(path, folder)
        else:
            yield Entry(path, folder, Quarantine.SPECIAL_FILE)


def _below(entry: Entry, room: int, levels: int) -> Iterator[Entry]:
    if not levels:
        yield Entry(entry.path, entry.folder_fd, Quarantine.TOO_DEEP)
        return
    try:
        folder = os.open(entry.name, _FOLDER, dir_fd=entry.folder_fd)
    except OSError:
        yield Entry(entry.path, entry.folder_fd, Quarantine.UNREADABLE)
        return
    try:
        yield from _inside(folder, entry.path + "/", room, levels)
    finally:
        os.close(folder)


def _listing(folder: int) -> list[os.DirEntry[str]] | None:
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=_name_bytes)
    except OSError:  # a broken disk, a stale network mount
        return None


def _name_bytes(item: os.DirEntry[str]) -> bytes:
    return os.fsencode(item.name)


class Opened(NamedTuple):
    """A regular file, open for reading; whoever has it closes it."""

    descriptor: int
    path: str
    """Below the root, without links."""
    found: os.stat_result


def open_entry(root: Root, entry: Entry) -> Opened | Quarantine:
    """The regular file at an entry, or why there is none."""
    if entry.refused is not None:
        return entry.refused
    try:
        if entry.link:
            return _open_link(root, entry)
        opened = os.open(entry.name, _FILE, dir_fd=entry.folder_fd)
    except OSError:
        return Quarantine.UNREADABLE
    return _regular(opened, entry.path)


def _open_link(root: Root, entry: Entry) -> Opened | Quarantine:
    place = root.folder / entry.path
    try:
        target = os.path.realpath(place, strict=True)
    except FileNotFoundError:
        return Quarantine.LINK_BROKEN
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Quarantine.LINK_LOOP
        raise
    inside = os.path.relpath(target, root.folder)
    if inside == ".." or inside.startswith("../"):
        return Quarantine.LINK_OUTSIDE
    if os.path.isdir(target):
        loops = f"{place}/".startswith(f"{target}/")
        return Quarantine.LINK_LOOP if loops else Quarantine.LINK_FOLDER
    return _regular(open_beneath(root.folder, inside), inside)


def open_beneath(folder: Path, path: str) -> int:
    """Opens ``path`` one part at a time, following no link: none can lead out of ``folder``."""
    at = os.open(folder, _FOLDER)
    try:
        *folders, name = path.split("/")
        for part in folders:
            below = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, _FILE, dir_fd=at)
    finally:
        os.close(at)


def _regular(descriptor: int, path: str) -> Opened | Quarantine:
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode):
        return Opened(descriptor, path, found)
    os.close(descriptor)  # swapped for a pipe or device since it was listed
    return Quarantine.SPECIAL_FILE

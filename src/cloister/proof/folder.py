"""A folder that appears whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloister.core.errors import BadInput, Conflict, DurabilityLost, NoSpace


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file of the folder."""

    path: str
    sha256: str
    size_bytes: int


class FolderWriter:
    """Collects files under a temporary folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.files: list[WrittenFile] = []

    def add(self, path: str, chunks: Iterable[bytes]) -> None:
        """Writes and flushes one file; raises NoSpace, DurabilityLost."""
        target = self._root / path
        with _translated():
            target.parent.mkdir(exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with _translated(), target.open("xb", buffering=1 << 20) as file:
            for chunk in chunks:
                digest.update(chunk)
                size += file.write(chunk)
            file.flush()
            _sync(file.fileno())
        self.files.append(WrittenFile(path, digest.hexdigest(), size))


@contextmanager
def write_folder(folder: Path) -> Iterator[FolderWriter]:
    """A writer whose files become ``folder`` by one rename when the block ends well.

    The temporary folder lies beside it, so the rename stays on one filesystem; it is removed
    when the block fails. Raises Conflict if ``folder`` exists, BadInput if its parent does not.
    """
    if os.path.lexists(folder):
        raise Conflict(f"{folder.name} exists already", hint="choose a folder that does not")
    if not folder.parent.is_dir():
        raise BadInput(f"the folder to hold {folder.name} does not exist")
    with _translated():
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        writer = FolderWriter(temporary)
        yield writer
        with _translated():
            _appear(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _appear(temporary: Path, folder: Path) -> None:
    for inner in {temporary, *(path for path in temporary.iterdir() if path.is_dir())}:
        _sync_folder(inner)
    temporary.rename(folder)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise DurabilityLost("the bundle could not be flushed to disk") from error


_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpace("not enough room for the bundle; nothing was written") from error
        raise BadInput(
            f"the bundle cannot be written here: {os.strerror(error.errno or 0)}"
        ) from error

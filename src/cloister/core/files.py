"""Small durable files: written whole or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloister.core.errors import Conflict, DurabilityLost, NotAllowed


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replaces ``path`` atomically: bytes, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DurabilityLost(f"could not write a file durably: {error.strerror}") from error


def private_folder(path: Path) -> Path:
    """``path`` as a folder only this user can enter; raises NotAllowed if another owns it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    # In a shared place such as /tmp somebody may have been there first, even with a link.
    if path.lstat().st_uid != os.geteuid():
        raise NotAllowed(
            f"{path} belongs to another user", hint="remove it, or set XDG_RUNTIME_DIR"
        )
    path.chmod(0o700)
    return path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds the lock at ``path`` until the block or process ends; Conflict when it is taken.

    The kernel drops it with the process, however that ends; the file goes with the block.
    """
    descriptor = _locked(path)
    try:
        yield
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise Conflict("another process is at work on this", hint="wait for it") from error
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # its last holder removed the file between our two steps

"""Small durable files: written whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cloister.core.errors import BadInput, Conflict, DurabilityLost, NoSpace, NotAllowed

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_BAD_PLACE = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY, errno.ENXIO),
    }
)


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replaces ``path`` atomically: bytes, fsync, rename, fsync of the folder.

    Raises BadInput where nothing can be written, NoSpace, DurabilityLost.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with translated():
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise


def write_new(path: Path, chunks: Iterable[bytes], mode: int = 0o600) -> None:
    """Writes a file that was not there before; it is gone again unless all of it was written.

    It is made before the first chunk is asked for. Raises Conflict when there is one, and
    what ``write_durably`` raises.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with translated():
        descriptor = os.open(path, flags, mode)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for chunk in chunks:
                with translated():
                    _write_all(file.fileno(), chunk)
            with translated():
                os.fsync(file.fileno())
                _sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def rename_durably(old: Path, new: Path) -> None:
    """Gives a file its other name in the same folder; raises what ``write_durably`` raises."""
    with translated():
        old.replace(new)
        _sync_folder(new.parent)


@contextmanager
def translated() -> Iterator[None]:
    """What the system says of a file that somebody asked for, in our own words."""
    try:
        yield
    except FileExistsError as error:
        raise Conflict("the file or folder to write exists already") from error
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        if error.errno in _FULL:
            raise NoSpace("not enough room; what was begun is removed") from error
        if error.errno in _BAD_PLACE:
            raise BadInput(f"it cannot be written there: {reason}") from error
        raise DurabilityLost(f"could not write a file durably: {reason}") from error


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    descriptor = take(path)
    try:
        yield
    finally:
        give_back(path, descriptor)


def take(path: Path) -> int:
    """The lock at ``path``, as a descriptor that holds it; raises Conflict when it is taken.

    It is held as long as any copy of the descriptor is open, in whatever process.
    """
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


def give_back(path: Path, descriptor: int) -> None:
    """Lets go of a lock that `take` took."""
    path.unlink(missing_ok=True)
    os.close(descriptor)

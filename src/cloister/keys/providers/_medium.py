"""Overwriting that reaches the medium, and what the file system makes of it."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloister.core.errors import (
    CloisterError,
    CopyUnavailable,
    DurabilityLost,
    KeyMissing,
    NoSpace,
)
from cloister.core.files import write_durably

# Overwriting in place does not reach the old blocks where the file system copies on write.
_COPY_ON_WRITE = {"btrfs", "zfs", "bcachefs", "nilfs2", "f2fs", "overlay"}
UNREACHABLE = "the second copy of the keys cannot be written, so nothing was changed: "
_JOURNALS_DATA = " with data=journal"  # ext4(5): file contents pass through the journal, too


def read_whole(path: Path) -> bytes:
    """A key record's bytes; raises KeyMissing when it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise KeyMissing(
            f"{path.name} is not in the keys folder",
            hint="restore the keys folder from its second copy",
        ) from error


def overwrite(path: Path, content: bytes, offset: int) -> None:
    """Writes over the file's own blocks, never into new ones; durable on return."""
    with _opened(path) as descriptor:
        _write(descriptor, content, offset)


def replace(path: Path, content: bytes) -> None:
    """Replaces the file atomically, then overwrites the blocks its old content lay in."""
    with _opened(path) as descriptor:
        write_durably(path, content)
        _write(descriptor, secrets.token_bytes(os.fstat(descriptor).st_size), 0)


def file_system(path: Path) -> str:
    """The type of what holds ``path``, and whether it journals data; or ``unknown``."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        table = Path("/proc/self/mountinfo").read_text(errors="replace")
    except OSError:
        return "unknown"
    for line in table.splitlines():
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == wanted:
            name, _, options = kind.split()[:3]
            return name + _JOURNALS_DATA if "data=journal" in options.split(",") else name
    return "unknown"


def overwrites_in_place(kind: str) -> bool:
    """Whether a file system of this type writes over a file's old blocks."""
    return kind not in _COPY_ON_WRITE | {"unknown"} and not kind.endswith(_JOURNALS_DATA)


@contextmanager
def on_copy() -> Iterator[None]:
    """Around work on the second copy: whatever goes wrong there is CopyUnavailable."""
    try:
        yield
    except CopyUnavailable:
        raise
    except OSError as error:
        raise unreachable(os.strerror(error.errno or 0)) from error
    except CloisterError as error:
        raise unreachable(error.message) from error


def unreachable(why: str) -> CopyUnavailable:
    """The second copy cannot be written; nothing was changed."""
    return CopyUnavailable(
        UNREACHABLE + why,
        hint="bring it back, or go on without it: cloister keys copy --suspend",
    )


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise KeyMissing(f"{path.name} is not in the keys folder") from error
    try:
        yield descriptor
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NoSpace(f"no space left while writing {path.name}") from error
        problem = os.strerror(error.errno or 0)
        raise DurabilityLost(f"the disk failed while writing {path.name}: {problem}") from error
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
    os.fsync(descriptor)

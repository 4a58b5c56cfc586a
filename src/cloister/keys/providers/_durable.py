"""Small files that are there whole or not at all, and overwriting that reaches the medium."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from cloister.core.errors import DurabilityLost, KeyMissing, NoSpace

# Overwriting in place does not reach the old blocks where the file system copies on write.
_COPY_ON_WRITE = {"btrfs", "zfs", "bcachefs", "nilfs2", "f2fs", "overlay"}


def read_whole(path: Path, what: str) -> bytes:
    """The file's bytes; raises KeyMissing when it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise KeyMissing(
            f"{what} is not in the keys folder",
            hint="restore the keys folder from its second copy",
        ) from error


def write_new(path: Path, content: bytes) -> None:
    """Replaces the file atomically, mode 0600; durable on return."""
    beside = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(
            beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        try:
            _write_at(descriptor, content, 0)
        finally:
            os.close(descriptor)
        beside.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise failed(error, "writing a key record") from error


def overwrite(path: Path, content: bytes, offset: int) -> None:
    """Writes over the file's own blocks, never into new ones; durable on return."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            _write_at(descriptor, content, offset)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise KeyMissing("a key record vanished from the keys folder") from error
    except OSError as error:
        raise failed(error, "overwriting a key record") from error


def sync_folder(folder: Path) -> None:
    """Makes the folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def failed(error: OSError, doing: str) -> DurabilityLost | NoSpace:
    """What a failed write means."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NoSpace(f"no space left while {doing}")
    return DurabilityLost(f"the disk failed while {doing}: {os.strerror(error.errno or 0)}")


def file_system(path: Path) -> str:
    """The type of file system that holds ``path``; ``unknown`` if that cannot be read."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        table = Path("/proc/self/mountinfo").read_text()
    except OSError:
        return "unknown"
    for line in table.splitlines():
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == wanted:
            return kind.split()[0]
    return "unknown"


def overwrites_in_place(kind: str) -> bool:
    """Whether a file system of this type writes over a file's old blocks."""
    return kind not in _COPY_ON_WRITE and kind != "unknown"


def _write_at(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
    os.fsync(descriptor)

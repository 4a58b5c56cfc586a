"""System calls that make bytes last, and what their failures mean."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from cloister.core.errors import CloisterError, DurabilityLost, NoSpace, NotAllowed

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_SYNC_FILE_RANGE_WRITE = 2
_WRITE_BYTES = 128 << 10
_LARGEST_BUFFER = 31 << 20  # glibc's threshold grows no further than 32 MiB


class Disk:
    """Guards writes: names their failures, and lets none follow one that was lost."""

    def __init__(self) -> None:
        self._lost = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turns an OSError into NoSpace, NotAllowed or DurabilityLost; the last one stays.

        After a failed fsync the kernel marks the pages clean, so that a second one succeeds
        without them (Rebello et al., "Can Applications Recover from fsync Failures?", ATC
        2020): the process must not try again, it stops and recovers.
        """
        if self._lost:
            raise DurabilityLost(
                "the store's disk failed a write before: this process writes no more",
                hint="check the disk (dmesg), then start again",
            )
        try:
            yield
        except OSError as error:
            failure = _failure(error)
            self._lost = isinstance(failure, DurabilityLost)
            raise failure from error


def _failure(error: OSError) -> CloisterError:
    reason = os.strerror(error.errno or errno.EIO)
    if error.errno in _FULL:
        return NoSpace(
            f"the store's disk has no room: {reason}; nothing of this write is visible",
            hint="free space on it and run the command again",
        )
    if error.errno in _FORBIDDEN:
        return NotAllowed(
            f"the store cannot be written: {reason}",
            hint="check who owns the lab folder and that its disk is mounted read-write",
        )
    return DurabilityLost(
        f"the store's disk failed a write: {reason}; nothing acknowledged is affected",
        hint="check the disk (dmesg), then start again",
    )


def write_all(fd: int, chunk: bytes) -> None:
    """Writes every byte of ``chunk`` at the file's position.

    In slices: a write of 1 MiB makes the page cache take memory in pieces as large, which a
    virtual machine has often handed back to its host, and that costs four times the time.
    """
    view = memoryview(chunk)
    while view:
        view = view[os.write(fd, view[:_WRITE_BYTES]) :]


def sync_folder(path: str) -> None:
    """Makes the names in a folder durable: a file's own fsync does not (fsync(2))."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def reserve(fd: int, size_bytes: int) -> None:
    """Allocates room so that a full disk shows now; file systems that cannot are let be."""
    if size_bytes and _libc().fallocate(fd, 0, 0, size_bytes) and ctypes.get_errno() in _FULL:
        raise OSError(ctypes.get_errno(), "fallocate")


def start_writeback(fd: int, offset: int, size_bytes: int) -> None:
    """Asks the kernel to begin writing a range, so that the final fdatasync is short.

    Advice only: sync_file_range(2) promises no durability, and an error in it will show in
    the fdatasync that must follow.
    """
    _libc().sync_file_range(fd, offset, size_bytes, _SYNC_FILE_RANGE_WRITE)


def keep_buffers() -> None:
    """Has the allocator keep buffers of many megabytes instead of returning each to the kernel.

    glibc takes the size of the largest mapped block it saw freed for its threshold
    (mallopt(3), M_MMAP_THRESHOLD), so one such block now, never touched, saves a page fault
    for every 4 KiB of every buffer later: a fifth of the time of a large stream.
    """
    bytes(_LARGEST_BUFFER)


@functools.cache
def _libc() -> ctypes.CDLL:
    """The C library, for the two Linux calls that `os` lacks."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    libc.sync_file_range.argtypes = [
        ctypes.c_int,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_uint,
    ]
    return libc

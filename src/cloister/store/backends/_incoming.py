"""Files on their way into the store: invisible, and swept when their writer died."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Self

from cloister.store.backends._disk import (
    Disk,
    reserve,
    start_writeback,
    sync_folder,
    write_all,
)

_WRITEBACK_BYTES = 16 << 20
_EXCLUSIVE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Incoming:
    """One file being written; its writer's lock tells a sweep that it is alive."""

    def __init__(self, disk: Disk, path: str, fd: int) -> None:
        self._disk = disk
        self._path = path
        self._fd = fd
        self._size = 0
        self._started = 0

    @classmethod
    def create(cls, disk: Disk, folder: str) -> Self:
        """A new empty file, mode 0600, locked."""
        while True:
            path = f"{folder}/{os.getpid()}-{secrets.token_hex(8)}"
            with disk.writing():
                fd = os.open(path, _EXCLUSIVE, 0o600)
                incoming = cls(disk, path, fd)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX)
                    alive = os.fstat(fd).st_nlink > 0
                except OSError:
                    incoming.discard()
                    raise
            if alive:
                return incoming
            os.close(fd)  # a sweep came between open and lock: take another name

    def fill(self, chunks: Iterable[bytes], size_hint: int) -> None:
        """Writes the bytes and makes them durable; errors of ``chunks`` pass through."""
        with self._disk.writing():
            reserve(self._fd, size_hint)
        self._write_behind(chunks)
        with self._disk.writing():
            if size_hint > self._size:
                os.ftruncate(self._fd, self._size)
            os.fchmod(self._fd, 0o400)
            os.fdatasync(self._fd)

    def _write_behind(self, chunks: Iterable[bytes]) -> None:
        """From the second chunk on, writes each while its successor is made."""
        under_way: Future[None] | None = None
        with ThreadPoolExecutor(1, "store write") as behind:
            for chunk in chunks:
                if under_way is not None:
                    under_way.result()
                fixed = chunk if isinstance(chunk, bytes) else bytes(chunk)
                if self._size:
                    under_way = behind.submit(self._write, fixed)
                else:
                    self._write(fixed)  # a pack is one chunk: not worth a thread
        if under_way is not None:
            under_way.result()

    def _write(self, chunk: bytes) -> None:
        with self._disk.writing():
            write_all(self._fd, chunk)
        self._size += len(chunk)
        if self._size - self._started >= _WRITEBACK_BYTES:
            start_writeback(self._fd, self._started, self._size - self._started)
            self._started = self._size

    def publish(self, path: str) -> bool:
        """Gives the file its name, durably; False when that name is taken.

        The name is durable either way: the winner may have died before it synced the folder.
        """
        with self._disk.writing():
            try:
                os.link(self._path, path)
                first = True
            except FileExistsError:
                first = False
            sync_folder(os.path.dirname(path))
        return first

    def discard(self) -> None:
        """Drops the incoming name and the lock; a published file keeps its own name."""
        with suppress(OSError):
            os.unlink(self._path)
        os.close(self._fd)


def sweep(folder: str) -> int:
    """Removes the files of writers that died; gives their number.

    A killed process loses its locks with its descriptors, so age and process ids, which are
    reused, need no guessing. A writer that was about to lock notices (see `create`).
    """
    swept = 0
    for entry in os.scandir(folder):
        with suppress(OSError):
            fd = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)
                swept += 1
            finally:
                os.close(fd)
    return swept

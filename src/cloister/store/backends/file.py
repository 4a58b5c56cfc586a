"""Blobs as files of one folder on a local disk: the embedded backend, ``file:``."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cloister.core.clock import Clock, SystemClock
from cloister.core.errors import BadInput, IntegrityError, NotAllowed, NotFound, WriteOnce
from cloister.store.backend import BlobStat, Key, check_key, check_prefix, resolve_key
from cloister.store.backends._disk import Disk, keep_buffers, sync_folder
from cloister.store.backends._incoming import Incoming, sweep
from cloister.store.backends._retention import RetentionLog

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}


class FileBackend:
    """A `Backend` over one folder that belongs to one user: folders 0700, blobs 0400.

    A blob is written to a file of its own in ``.incoming``, fdatasynced, linked to its key
    (link(2) fails if that exists, so one of several writers wins), and its folder fsynced.
    Needs hard links and flock: any local Linux file system, or NFS 4.

    Reads use pread, not mmap: a file that is truncated under a map kills the process.
    """

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = str(root)
        self._clock = clock
        self._disk = Disk()
        self._retention = RetentionLog(self._disk, f"{self._root}/.retention")
        self._durable: set[str] = set()
        self._folders = threading.Lock()

    @classmethod
    def open(cls, root: Path, clock: Clock | None = None) -> Self:
        """The store in ``root``, made if need be; files of writers that died are swept."""
        keep_buffers()
        backend = cls(root.absolute(), clock or SystemClock())
        with backend._disk.writing():
            backend._make_durable(f"{backend._root}/.incoming")
            os.chmod(backend._root, 0o700)  # it may have been made by somebody else's mkdir
            sweep(f"{backend._root}/.incoming")
        return backend

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        """See `Backend`."""
        if isinstance(key, str):
            check_key(key)  # before the first byte
        incoming = Incoming.create(self._disk, f"{self._root}/.incoming")
        try:
            incoming.fill(chunks, size_hint)
            path = f"{self._root}/{resolve_key(key)}"
            with self._disk.writing():
                self._make_durable(os.path.dirname(path))
            return incoming.publish(path)
        finally:
            incoming.discard()

    def get(self, key: str, offset: int, size: int) -> bytes:
        """See `Backend`."""
        if offset < 0 or size < 0:
            raise BadInput("a blob is read from offset 0 on, and no negative size")
        with self._reading(key) as path:
            fd = os.open(path, _READ)
            try:
                size = min(size, _regular(os.fstat(fd)).st_size - offset)
                return _pread(fd, size, offset) if size > 0 else b""
            finally:
                os.close(fd)

    def stat(self, key: str) -> BlobStat:
        """See `Backend`."""
        with self._reading(key) as path:
            found = _regular(os.stat(path, follow_symlinks=False))
            written = datetime.fromtimestamp(found.st_mtime, UTC)
            return BlobStat(found.st_size, written, self._retention.until(key))

    def list(self, prefix: str) -> Iterator[str]:
        """See `Backend`."""
        yield from self._walk(check_prefix(prefix))

    def delete(self, key: str) -> None:
        """See `Backend`."""
        path = f"{self._root}/{check_key(key)}"
        with self._disk.writing(), self._retention_turn():
            retained = self.stat(key).retained_until
            if retained is not None and retained > self._clock.now():
                raise WriteOnce(
                    f"blob {key} is retained until {retained:%Y-%m-%d}: nobody can delete it",
                    hint="wait until then; to make data unreadable now, erase its subject",
                )
            os.unlink(path)
            sync_folder(os.path.dirname(path))

    def retain(self, keys: Iterable[str], until: datetime) -> None:
        """See `Backend`."""
        wanted = list(keys)
        with self._disk.writing(), self._retention_turn():
            for key in wanted:
                self.get(key, 0, 0)
            self._retention.add(wanted, until)

    def set_aside(self, key: str) -> None:
        """See `Backend`. They lie in ``.damaged``, which nothing removes."""
        path, aside = f"{self._root}/{check_key(key)}", f"{self._root}/.damaged"
        with self._disk.writing():
            self.stat(key)
            self._make_durable(aside)
            name = f"{key.replace('/', '_')}.{self._clock.now():%Y%m%dT%H%M%S%f}"
            os.rename(path, f"{aside}/{name}")
            sync_folder(aside)
            sync_folder(os.path.dirname(path))

    @contextmanager
    def _reading(self, key: str) -> Iterator[str]:
        try:
            yield f"{self._root}/{check_key(key)}"
        except OSError as error:
            if error.errno in _MISSING:
                raise NotFound(f"the store has no blob {key}") from error
            reason = os.strerror(error.errno or errno.EIO)
            if error.errno in {errno.EACCES, errno.EPERM}:
                raise NotAllowed(f"blob {key} cannot be read: {reason}") from error
            raise IntegrityError(
                f"the disk cannot read blob {key}: {reason}",
                hint="check the disk (dmesg); restore the blob from the second copy",
            ) from error

    @contextmanager
    def _retention_turn(self) -> Iterator[None]:
        """Retaining and deleting exclude each other, in all processes."""
        fd = os.open(f"{self._root}/.retention.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _walk(self, prefix: str) -> Iterator[str]:
        entries: list[os.DirEntry[str]] = []
        with suppress(FileNotFoundError, NotADirectoryError):
            entries = sorted(os.scandir(f"{self._root}/{prefix}"), key=lambda e: e.name)
        for entry in entries:
            try:
                key = check_key(prefix + entry.name)
            except BadInput:
                continue  # ours alone (.incoming), or foreign
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(f"{key}/")
            elif entry.is_file(follow_symlinks=False):
                yield key

    def _make_durable(self, folder: str) -> None:
        """Makes a folder and syncs its name, once per object: its maker may have died."""
        if folder in self._durable:
            return
        with self._folders:
            self._make_with_parents(folder)

    def _make_with_parents(self, folder: str) -> None:
        if folder in self._durable:
            return
        parent = os.path.dirname(folder)
        if folder != self._root:
            self._make_with_parents(parent)
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        sync_folder(parent)
        self._durable.add(folder)


def _regular(found: os.stat_result) -> os.stat_result:
    """``found`` if it is a file; a folder is no blob, and anything else was put there."""
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, "folder")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "neither file nor folder")
    return found


def _pread(fd: int, size: int, offset: int) -> bytes:
    """``size`` bytes; fewer only where the file ends. One call reads at most 2 GiB."""
    first = os.pread(fd, size, offset)
    if len(first) == size:
        return first
    parts = [first]
    while parts[-1]:
        offset += len(parts[-1])
        size -= len(parts[-1])
        parts.append(os.pread(fd, size, offset))
    return b"".join(parts)

"""Until when which blob is kept: a log beside the blobs that is only ever added to."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Iterable
from datetime import UTC, datetime

from cloister.core.clock import timestamp
from cloister.store.backends._disk import Disk, sync_folder, write_all

FOREVER = datetime.max.replace(tzinfo=UTC)
_LINE = re.compile(r"(1 (\S{27}) (\S+)) ([0-9a-f]{16})")


class RetentionLog:
    """Dates by key, in docs/formats/store-layout.md's line format; threads and processes.

    Only the latest date of a key counts. A line that fails its checksum retains every blob:
    damage must not make anything deletable.
    """

    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self._path = path
        self._lock = threading.Lock()
        self._read_bytes = 0
        self._until: dict[str, str] = {}
        self._damaged = False
        self._named = False

    def add(self, keys: Iterable[str], until: datetime) -> None:
        """Retains ``keys`` until then, durably on return."""
        lines = "".join([_line(timestamp(until), key) for key in keys]).encode()
        with self._disk.writing():
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                os.lseek(fd, _cut_torn_line(fd), os.SEEK_SET)
                write_all(fd, lines)
                os.fdatasync(fd)
            finally:
                os.close(fd)
            if not self._named:
                sync_folder(os.path.dirname(self._path))
                self._named = True

    def until(self, key: str) -> datetime | None:
        """When ``key`` may be deleted; None if it never was retained."""
        with self._lock:
            self._read_on()
            if self._damaged:
                return FOREVER
            text = self._until.get(key)
        return datetime.fromisoformat(text) if text else None

    def _read_on(self) -> None:
        """Takes in what was added since, whole lines only."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        with open(fd, "rb") as file:
            file.seek(self._read_bytes)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.decode("ascii", "replace").splitlines():
            self._take(line)

    def _take(self, line: str) -> None:
        match = _LINE.fullmatch(line)
        if match is None or _checksum(match[1]) != match[4]:
            self._damaged = True
        elif self._until.get(match[3], "") < match[2]:
            self._until[match[3]] = match[2]


def _line(until: str, key: str) -> str:
    text = f"1 {until} {key}"
    return f"{text} {_checksum(text)}\n"


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _cut_torn_line(fd: int) -> int:
    """Removes what a writer that died left without a newline; gives the file's size."""
    size = os.fstat(fd).st_size
    keep = size
    while keep:
        start = max(0, keep - 4096)
        newline = os.pread(fd, keep - start, start).rfind(b"\n")
        if newline >= 0:
            keep = start + newline + 1
            break
        keep = start
    if keep != size:
        os.ftruncate(fd, keep)
    return keep

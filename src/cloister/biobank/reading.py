"""The bytes of one file, all of one moment: what changes while it is read is not taken."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cloister.biobank.tree import open_beneath
from cloister.core.errors import FileChanged

CHUNK_BYTES = 1 << 20
_ATTEMPTS = 3


class Stamp(NamedTuple):
    """What tells one state of a file from another.

    The kernel's clock ticks every few milliseconds: a second write within one tick that
    keeps the size is not seen.
    """

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, opened: int) -> Stamp:
        """The state of an open file now."""
        return cls.seen(os.fstat(opened))

    @classmethod
    def seen(cls, found: os.stat_result) -> Stamp:
        """The state of a file when it was looked at."""
        return cls(
            found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        )


class Span(NamedTuple):
    """A stretch of a file."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be read again later, as it was when it was found."""

    folder: Path
    path: str
    """Below ``folder``, without links."""
    stamp: Stamp

    def chunks(self) -> Iterator[bytes]:
        """All of it; raises FileChanged."""
        return self.spans((Span(0, self.stamp.size_bytes),))

    def spans(self, spans: Iterable[Span]) -> Iterator[bytes]:
        """The stretches one after the other; raises FileChanged, at the latest at the end."""
        try:
            opened = open_beneath(self.folder, self.path)
        except OSError:
            raise changed() from None
        try:
            self._check(opened)
            for offset, size in spans:
                yield from _stretch(opened, offset, size)
            self._check(opened)
        except OSError:
            raise changed() from None
        finally:
            os.close(opened)

    def _check(self, opened: int) -> None:
        if Stamp.of(opened) != self.stamp:
            raise changed()


def _stretch(opened: int, offset: int, size: int) -> Iterator[bytes]:
    end = offset + size
    while offset < end:
        chunk = os.pread(opened, min(CHUNK_BYTES, end - offset), offset)
        if not chunk:
            raise changed()
        yield chunk
        offset += len(chunk)


def read_whole(opened: int, before: Stamp) -> tuple[bytes, Stamp] | None:
    """All bytes of an open file, of one moment; None when it would not hold still.

    ``before`` is its state when it was opened. Raises OSError when the disk gives no bytes.
    """
    for _ in range(_ATTEMPTS):
        content = os.pread(opened, before.size_bytes, 0)
        while 0 < len(content) < before.size_bytes:
            more = os.pread(opened, before.size_bytes - len(content), len(content))
            if not more:
                break
            content += more
        after = Stamp.of(opened)
        if len(content) == before.size_bytes and before == after:
            return content, after
        before = after
    return None


def changed() -> FileChanged:
    """The error for a file that is no longer what was found."""
    return FileChanged(
        "a file changed, or can no longer be read, while it was being added",
        hint="nothing of it was kept: let what writes it finish, then add again",
    )

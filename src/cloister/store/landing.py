"""Where uploads rest until they are added: sealed pieces in folders of the lab.

Drawn in docs/formats/upload.md. Nothing here is patient data in plain, and nothing is part of
the record: a piece that is there was acknowledged, one that is not was not.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cloister.core.errors import Tampered
from cloister.core.files import private_folder, translated, write_durably

_PIECE = re.compile(r"([0-9a-f]{12})-([0-9a-f]{8})")
_PART = re.compile(r"[0-9]{6}")
_LIST = "list"


class Piece(NamedTuple):
    """A stretch of one file, sealed."""

    offset: int
    size_bytes: int
    """Of the plaintext."""
    path: Path


class Landing:
    """One upload's folder."""

    def __init__(self, root: Path, upload: str) -> None:
        self._folder = root / "uploads" / upload

    def make(self) -> None:
        """The folder, for this user alone."""
        with translated():
            private_folder(self._folder)

    @property
    def exists(self) -> bool:
        """Whether it is there: a lab that was restored has no uploads."""
        return self._folder.is_dir()

    def touched_s(self) -> float:
        """When something came last, in seconds since 1970."""
        return self._folder.stat().st_mtime

    def put_list(self, number: int, sealed: bytes) -> None:
        """One part of the list of files, durable when it returns."""
        with translated():
            folder = private_folder(self._folder / _LIST)
            write_durably(folder / f"{number:06d}", sealed)
            os.utime(self._folder)

    def parts(self) -> int:
        """How many parts the list of files has."""
        try:
            return sum(bool(_PART.fullmatch(one)) for one in os.listdir(self._folder / _LIST))
        except FileNotFoundError:
            return 0

    def lists(self) -> Iterator[bytes]:
        """All parts of the list, in order."""
        for number in range(self.parts()):
            yield (self._folder / _LIST / f"{number:06d}").read_bytes()

    def put(self, file: int, offset: int, size_bytes: int, sealed: bytes) -> None:
        """One piece of a file, durable when it returns; raises NoSpace, DurabilityLost."""
        with translated():
            folder = private_folder(self._folder / str(file))
            write_durably(folder / f"{offset:012x}-{size_bytes:08x}", sealed)
            os.utime(self._folder)

    def received(self, file: int) -> int:
        """How many bytes of a file are here, without a gap."""
        end = 0
        for piece in self.pieces(file):
            end = piece.offset + piece.size_bytes
        return end

    def pieces(self, file: int) -> Iterator[Piece]:
        """The pieces of a file in order, up to the first that is missing."""
        try:
            names = sorted(os.listdir(self._folder / str(file)))
        except FileNotFoundError:
            return
        end = 0
        for name in names:
            found = _PIECE.fullmatch(name)
            if found is None:
                continue  # on its way
            offset, size_bytes = int(found[1], 16), int(found[2], 16)
            if offset != end:
                raise Tampered("pieces of an upload are missing or overlap")
            yield Piece(offset, size_bytes, self._folder / str(file) / name)
            end = offset + size_bytes

    def remove(self) -> None:
        """All of it; may be repeated."""
        shutil.rmtree(self._folder, ignore_errors=True)


def landed(root: Path) -> list[str]:
    """The uploads that have a folder."""
    try:
        return sorted(os.listdir(root / "uploads"))
    except FileNotFoundError:
        return []

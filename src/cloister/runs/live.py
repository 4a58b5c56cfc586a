"""What a run says while it runs: a file of sealed frames, for whoever may follow it.

Format: docs/formats/live-log.md. The file is under the run's own key, so it is no plaintext
that lies about, and no reader gets more than a run's log. It is a help to those who watch and
no record: nothing waits until it is on the disk.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from cloister.core.errors import Tampered
from cloister.core.ids import RunId
from cloister.core.values import KeyGrant, KeyRef
from cloister.keys.seal import open_field, seal_field

PURPOSE = "live"
_MAGIC = b"cloister live 1\n"
_LENGTHS = struct.Struct(">HH")
_LENGTH = struct.Struct(">I")
_LARGEST = 1 << 20
_SEALED = 29
"""What sealing a field adds to it."""


class Kind(IntEnum):
    """What a frame holds."""

    END = 0
    """Nothing more comes."""
    OUT = 1
    ERR = 2
    REPORT = 3
    """Canonical JSON: what is said of the run when it has ended."""
    REFUSED = 4
    """Canonical JSON: why it could not be run."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One piece, as it was said."""

    kind: Kind
    content: bytes = field(repr=False)


class Sealing(Protocol):
    """A file that is open to append to: what it cannot take is lost, and the job goes on."""

    def write(self, data: bytes, /) -> int:
        """Appends all of it; raises OSError."""


@dataclass(slots=True)
class LiveWriter:
    """Appends frames; one that cannot be written ends the live log, and not the job."""

    run: RunId
    grant: KeyGrant
    file: Sealing
    most_bytes: int
    _number: int = 0
    _written: int = 0
    _broken: bool = False

    def begin(self) -> None:
        """The head, which says whose key opens the rest."""
        seal, wrap = self.grant.seal_id, self.grant.wrap
        self._write(_MAGIC + _LENGTHS.pack(len(seal), len(wrap)) + seal + wrap)

    def add(self, kind: Kind, content: bytes) -> None:
        """Frames for ``content``, unless there is too much already; reports always fit."""
        for at in range(0, max(1, len(content)), _LARGEST):
            piece = content[at : at + _LARGEST]
            if kind in (Kind.OUT, Kind.ERR) and self._written > self.most_bytes:
                return
            plain = bytes([kind]) + piece
            context = _context(self.run, self._number)
            sealed = seal_field(self.grant.object_key, PURPOSE, plain, context)
            self._write(_LENGTH.pack(len(sealed)) + sealed)
            self._number += 1
            self._written += len(piece)

    def _write(self, data: bytes) -> None:
        if self._broken:
            return
        try:
            self._broken = self.file.write(data) != len(data)
        except OSError:
            self._broken = True


@dataclass(slots=True)
class LiveReader:
    """Reads the frames of one run as they are written."""

    run: RunId
    descriptor: int
    open_key: Callable[[KeyRef], bytes | None]
    """The object key behind a reference; None where it was destroyed."""
    _key: bytes | None = None
    _at: int = 0
    _number: int = 0
    erased: bool = False
    """Its key was destroyed."""
    ended: bool = False
    """Nothing more comes."""

    @property
    def place(self) -> tuple[int, int]:
        """Up to where it was read: how many frames, and the byte after them."""
        return self._number, self._at

    def go_to(self, number: int, at: int) -> None:
        """Goes on from a `place` of an earlier reader; any other gives Tampered at the next
        frame, or nothing."""
        if self._begun() and number > 0:
            self._number, self._at = number, at

    def skip(self, size_bytes: int) -> int:
        """Passes over whole frames of up to that many bytes together; gives how many those
        were. Their lengths alone are looked at."""
        passed = 0
        while self._begun():
            head = os.pread(self.descriptor, _LENGTH.size, self._at)
            content = _LENGTH.unpack(head)[0] - _SEALED - 1 if len(head) == 4 else -1
            if content < 0 or passed + content > size_bytes or not self._is_whole(content):
                break
            self._at += _LENGTH.size + _SEALED + 1 + content
            self._number += 1
            passed += content
        return passed

    def _is_whole(self, content: int) -> bool:
        after = self._at + _LENGTH.size + _SEALED + 1 + content
        return os.fstat(self.descriptor).st_size >= after

    def frames(self) -> Iterator[Frame]:
        """Those that are whole and were not given before; raises Tampered."""
        if not self._begun():
            return
        assert self._key is not None
        while True:
            head = os.pread(self.descriptor, _LENGTH.size, self._at)
            if len(head) < _LENGTH.size:
                return
            (size,) = _LENGTH.unpack(head)
            if not _SEALED < size <= _LARGEST + 64:
                raise Tampered(f"the live log of {self.run}: a frame of {size} bytes")
            sealed = os.pread(self.descriptor, size, self._at + _LENGTH.size)
            if len(sealed) < size:
                return
            plain = open_field(self._key, PURPOSE, sealed, _context(self.run, self._number))
            self._at += _LENGTH.size + size
            self._number += 1
            kind = Kind(plain[0])
            if kind is Kind.END:
                self.ended = True
            else:
                yield Frame(kind, plain[1:])

    def _begun(self) -> bool:
        """Whether the head is there and its key opens."""
        if self._key is not None or self.erased:
            return self._key is not None
        size = len(_MAGIC) + _LENGTHS.size
        head = os.pread(self.descriptor, size, 0)
        if len(head) < size:
            return False
        if not head.startswith(_MAGIC):
            raise Tampered(f"the live log of {self.run} does not begin as one")
        seal, wrap = _LENGTHS.unpack(head[len(_MAGIC) :])
        rest = os.pread(self.descriptor, seal + wrap, size)
        if len(rest) < seal + wrap:
            return False
        self._key = self.open_key(KeyRef(self.run, rest[:seal], rest[seal:]))
        self.erased = self._key is None
        self._at = size + seal + wrap
        return self._key is not None


def _context(run: RunId, number: int) -> bytes:
    """A frame opens in its own place of its own run's log alone."""
    return run.encode() + number.to_bytes(8, "big")

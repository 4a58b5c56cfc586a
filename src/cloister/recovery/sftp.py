"""SFTP version 3 (draft-ietf-secsh-filexfer-02) over the system's own ssh: one connection."""

from __future__ import annotations

import struct
import subprocess
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from cloister.core.errors import BadInput, NotFound

_INIT, _OPEN, _CLOSE, _READ, _WRITE = 1, 3, 4, 5, 6
_OPENDIR, _READDIR, _REMOVE, _MKDIR, _STAT, _EXTENDED = 11, 12, 13, 14, 17, 200
_VERSION, _STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _REPLY = 2, 101, 102, 103, 104, 105, 201
_TO_READ, _TO_MAKE = 1, 2 | 8 | 0x20  # write, create, and only if it was not there
_U32, _U64 = struct.Struct(">I"), struct.Struct(">Q")
_PIECE_BYTES = 64 << 10
_UNDER_WAY = 64
_LONGEST_PACKET = 1 << 20
_NEEDED = ("fsync@openssh.com", "hardlink@openssh.com", "statvfs@openssh.com")
_FOLDER = 0o040000


class Failed(Exception):
    """The server refused; ``code`` is SFTP's."""

    NO_FILE, FORBIDDEN, OTHER = 2, 3, 4

    def __init__(self, code: int) -> None:
        super().__init__(f"SFTP status {code}")
        self.code = code


class Gone(Exception):
    """The connection ended in the middle of something."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the server knows of one file."""

    size_bytes: int
    is_folder: bool
    modified_s: int


class Connection:
    """One ssh process and its SFTP server; for one thread at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._next = 0
        self._answered: dict[int, tuple[int, bytes]] = {}

    @classmethod
    def start(cls, command: list[str]) -> Connection:
        """Connects; raises NotFound when it cannot, BadInput when the server lacks a verb."""
        process = subprocess.Popen(  # noqa: S603 - the system's ssh, no shell
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        made = cls(process)
        try:
            made._send(_INIT, _U32.pack(3))
            kind, payload = made._packet()
        except Gone as error:
            said = made._last_words()
            raise NotFound(
                f"the backup target's host cannot be reached: {said}",
                hint="connect once by hand, without a password, as this user: ssh HOST",
            ) from error
        offered = set(_texts(payload[4:])) if kind == _VERSION else set()
        if missing := [name for name in _NEEDED if name.encode() not in offered]:
            made.close()
            raise BadInput(f"the backup target's SFTP server lacks {missing[0]}")
        return made

    def close(self) -> None:
        """Ends it."""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue  # what was not sent no longer matters
        self._process.terminate()
        self._process.wait()

    def write_new(self, path: bytes, chunks: Iterable[bytes]) -> int:
        """Writes a new file, synced; gives its size. What ``chunks`` raise passes through."""
        handle = self._handle(_OPEN, _text(path) + _U32.pack(_TO_MAKE) + _mode(0o400))
        size, under_way = 0, deque[int]()
        try:
            for piece in _pieces(chunks):
                body = _text(handle) + _U64.pack(size) + _text(piece)
                under_way.append(self._ask(_WRITE, body))
                size += len(piece)
                if len(under_way) == _UNDER_WAY:
                    self._done(under_way.popleft())
            while under_way:
                self._done(under_way.popleft())
            self._do(_EXTENDED, _text(b"fsync@openssh.com") + _text(handle))
        finally:
            while under_way:
                self._answer(under_way.popleft())
            self._do(_CLOSE, _text(handle))
        return size

    def read(self, path: bytes, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes, fewer only at the end."""
        handle = self._handle(_OPEN, _text(path) + _U32.pack(_TO_READ) + _U32.pack(0))
        try:
            return b"".join(self._ranges(handle, offset, size))
        finally:
            self._do(_CLOSE, _text(handle))

    def stat(self, path: bytes) -> Attributes:
        """What a path leads to."""
        kind, payload = self._answer(self._ask(_STAT, _text(path)))
        return _attributes(payload)[0] if kind == _ATTRS else self._refused(payload)

    def names(self, path: bytes) -> list[tuple[bytes, Attributes]]:
        """What is in a folder."""
        handle = self._handle(_OPENDIR, _text(path))
        found: list[tuple[bytes, Attributes]] = []
        try:
            while True:
                kind, payload = self._answer(self._ask(_READDIR, _text(handle)))
                if kind != _NAME:
                    return found
                found += _listed(payload)
        finally:
            self._do(_CLOSE, _text(handle))

    def make_folder(self, path: bytes) -> None:
        """A new folder, 0700."""
        self._do(_MKDIR, _text(path) + _mode(0o700))

    def link(self, old: bytes, new: bytes) -> None:
        """A second name, which must not be there: the one step that makes a file visible."""
        self._do(_EXTENDED, _text(b"hardlink@openssh.com") + _text(old) + _text(new))

    def remove(self, path: bytes) -> None:
        """Takes a name away."""
        self._do(_REMOVE, _text(path))

    def free_bytes(self, path: bytes) -> int:
        """The room that is left for us."""
        asked = self._ask(_EXTENDED, _text(b"statvfs@openssh.com") + _text(path))
        kind, payload = self._answer(asked)
        if kind != _REPLY:
            self._refused(payload)
        values = struct.unpack_from(">11Q", payload)
        return int(values[1] * values[4])

    def _ranges(self, handle: bytes, offset: int, size: int) -> Iterator[bytes]:
        end, asked = offset + size, deque[tuple[int, int, int]]()
        try:
            while offset < end or asked:
                while offset < end and len(asked) < _UNDER_WAY:
                    length = min(_PIECE_BYTES, end - offset)
                    asked.append((self._ask_read(handle, offset, length), offset, length))
                    offset += length
                number, start, length = asked.popleft()
                piece = self._data(number)
                yield piece
                if len(piece) < length and piece:  # a short answer need not be the end
                    rest = self._data(
                        self._ask_read(handle, start + len(piece), length - len(piece))
                    )
                    yield rest
                    piece += rest
                if len(piece) < length:
                    return
        finally:
            for number, _, _ in asked:
                self._answer(number)

    def _ask_read(self, handle: bytes, offset: int, length: int) -> int:
        return self._ask(_READ, _text(handle) + _U64.pack(offset) + _U32.pack(length))

    def _data(self, number: int) -> bytes:
        kind, payload = self._answer(number)
        if kind == _DATA:
            return payload[4:]
        if _U32.unpack_from(payload)[0] == 1:  # end of file
            return b""
        return self._refused(payload)

    def _handle(self, kind: int, body: bytes) -> bytes:
        answered, payload = self._answer(self._ask(kind, body))
        return payload[4:] if answered == _HANDLE else self._refused(payload)

    def _do(self, kind: int, body: bytes) -> None:
        self._done(self._ask(kind, body))

    def _done(self, number: int) -> None:
        kind, payload = self._answer(number)
        if kind != _STATUS or _U32.unpack_from(payload)[0] != 0:
            self._refused(payload)

    def _refused(self, payload: bytes) -> NoReturn:
        raise Failed(_U32.unpack_from(payload)[0])

    def _ask(self, kind: int, body: bytes) -> int:
        self._next = (self._next + 1) % (1 << 32)
        self._send(kind, _U32.pack(self._next) + body)
        return self._next

    def _answer(self, number: int) -> tuple[int, bytes]:
        while number not in self._answered:
            kind, payload = self._packet()
            self._answered[_U32.unpack_from(payload)[0]] = kind, payload[4:]
        return self._answered.pop(number)

    def _send(self, kind: int, body: bytes) -> None:
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(_U32.pack(len(body) + 1) + bytes([kind]) + body)
            stream.flush()
        except OSError as error:
            raise Gone from error

    def _packet(self) -> tuple[int, bytes]:
        (length,) = _U32.unpack(self._exactly(4))
        if not 0 < length <= _LONGEST_PACKET:
            raise Gone
        packet = self._exactly(length)
        return packet[0], packet[1:]

    def _exactly(self, size: int) -> bytes:
        stream = self._process.stdout
        assert stream is not None
        content = stream.read(size)
        if len(content) != size:
            raise Gone
        return content

    def _last_words(self) -> str:
        stream = self._process.stderr
        assert stream is not None
        self._process.terminate()
        said = stream.read().decode("utf-8", "replace").strip().splitlines()
        self.close()
        return said[-1][:200] if said else "ssh ended without a word"


def _text(content: bytes) -> bytes:
    return _U32.pack(len(content)) + content


def _mode(mode: int) -> bytes:
    return _U32.pack(4) + _U32.pack(mode)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        fixed = bytes(chunk)
        for start in range(0, len(fixed), _PIECE_BYTES):
            yield fixed[start : start + _PIECE_BYTES]


def _texts(payload: bytes) -> Iterator[bytes]:
    at = 0
    while at + 4 <= len(payload):
        (length,) = _U32.unpack_from(payload, at)
        yield payload[at + 4 : at + 4 + length]
        at += 4 + length


def _attributes(payload: bytes, at: int = 0) -> tuple[Attributes, int]:
    """The attributes at a place, and where they end."""
    (flags,) = _U32.unpack_from(payload, at)
    at += 4
    size = mode = modified = 0
    if flags & 1:
        (size,) = _U64.unpack_from(payload, at)
        at += 8
    at += 8 if flags & 2 else 0
    if flags & 4:
        (mode,) = _U32.unpack_from(payload, at)
        at += 4
    if flags & 8:
        (modified,) = _U32.unpack_from(payload, at + 4)
        at += 8
    return Attributes(size, mode & 0o170000 == _FOLDER, modified), at


def _listed(payload: bytes) -> Iterator[tuple[bytes, Attributes]]:
    (count,) = _U32.unpack_from(payload)
    at = 4
    for _ in range(count):
        (length,) = _U32.unpack_from(payload, at)
        name = payload[at + 4 : at + 4 + length]
        at += 4 + length
        (length,) = _U32.unpack_from(payload, at)
        found, at = _attributes(payload, at + 4 + length)
        yield name, found

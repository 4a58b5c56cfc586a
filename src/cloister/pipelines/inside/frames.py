"""Messages over a pipe: four bytes of length, big endian, then MessagePack."""

from __future__ import annotations

import os
from typing import Any

import msgpack  # type: ignore[import-untyped]

LONGEST = 1 << 31


def pack(message: Any) -> bytes:
    """One message as it goes over the pipe."""
    body: bytes = msgpack.packb(message)
    return len(body).to_bytes(4, "big") + body


class Frames:
    """Puts messages together from what comes, in whatever pieces."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._waiting, self._longest = bytearray(), longest

    def feed(self, data: bytes) -> list[Any]:
        """The messages that are whole now; raises ValueError for what cannot be one."""
        self._waiting += data
        found, begin = [], 0
        while len(self._waiting) - begin >= 4:
            length = int.from_bytes(self._waiting[begin : begin + 4], "big")
            if length > self._longest:
                raise ValueError("a message is too long")
            if len(self._waiting) - begin - 4 < length:
                break
            body = bytes(self._waiting[begin + 4 : begin + 4 + length])
            found.append(msgpack.unpackb(body, strict_map_key=False))
            begin += 4 + length
        del self._waiting[:begin]
        return found


def write_all(descriptor: int, data: bytes) -> None:
    """All of ``data``, however long the other side takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]

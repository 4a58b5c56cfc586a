"""Messages between the runner and what it started: lists of byte strings, and descriptors."""

from __future__ import annotations

import struct
from _collections_abc import Iterable, Sequence
from _socket import CMSG_LEN, SCM_RIGHTS, SOL_SOCKET, socket

_LARGEST = 1 << 16  # of one message; what is larger (the plan) travels in a memory file
_MOST_DESCRIPTORS = 8
_INT = struct.calcsize("i")


def pack(fields: Iterable[bytes]) -> bytes:
    """Every field after its length, 4 bytes little-endian."""
    return b"".join([struct.pack("<I", len(field)) + field for field in fields])


def unpack(data: bytes) -> list[bytes]:
    """The fields of ``pack``; raises ValueError when lengths and bytes disagree."""
    fields, at = [], 0
    while at < len(data):
        if at + 4 > len(data):
            raise ValueError("a field's length is cut short")
        (size,) = struct.unpack_from("<I", data, at)
        at += 4 + size
        if at > len(data):
            raise ValueError("a field is cut short")
        fields.append(data[at - size : at])
    return fields


class Channel:
    """One end of a SOCK_SEQPACKET pair: whole messages, in order, and the end is noticed."""

    def __init__(self, end: socket) -> None:
        self._end = end

    def fileno(self) -> int:
        """For poll."""
        return self._end.fileno()

    def send(self, *fields: bytes, descriptors: Sequence[int] = ()) -> None:
        """Sends one message; raises OSError when the other end is gone."""
        packed = struct.pack(f"{len(descriptors)}i", *descriptors)
        ancillary = [(SOL_SOCKET, SCM_RIGHTS, packed)] if descriptors else []
        self._end.sendmsg([pack(fields)], ancillary)

    def receive(self) -> tuple[list[bytes], list[int]]:
        """The next message, waiting for it; an empty one when the other end is gone."""
        room = CMSG_LEN(_MOST_DESCRIPTORS * _INT)
        try:
            data, ancillary, _, _ = self._end.recvmsg(_LARGEST, room)
        except ConnectionError:
            return [], []
        descriptors: list[int] = []
        for level, kind, packed in ancillary:
            if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
                count = len(packed) // _INT
                descriptors += struct.unpack(f"{count}i", packed[: count * _INT])
        return unpack(data), descriptors

    def close(self) -> None:
        """Lets the other end notice."""
        self._end.close()

"""Loopback: the only interface a job has, and a door in it."""

from __future__ import annotations

import struct
from _socket import AF_INET, SOCK_DGRAM, SOCK_STREAM, socket
from fcntl import ioctl

_WAITING = 128
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def raise_loopback() -> None:
    """127.0.0.1 and ::1 answer."""
    with_flags = "16sH22x"  # struct ifreq
    query = socket(AF_INET, SOCK_DGRAM, 0)
    try:
        answer = ioctl(query.fileno(), _SIOCGIFFLAGS, struct.pack(with_flags, b"lo", 0))
        (_, flags) = struct.unpack(with_flags, answer)
        raised = struct.pack(with_flags, b"lo", flags | _IFF_UP)
        ioctl(query.fileno(), _SIOCSIFFLAGS, raised)
    finally:
        query.close()


def door(port: int) -> socket:
    """A socket of this network namespace that listens on 127.0.0.1, whoever holds it."""
    listener = socket(AF_INET, SOCK_STREAM, 0)
    listener.bind(("127.0.0.1", port))
    listener.listen(_WAITING)
    return listener

"""Loopback: the only interface a job has."""

from __future__ import annotations

import struct
from _socket import AF_INET, SOCK_DGRAM, socket
from fcntl import ioctl

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

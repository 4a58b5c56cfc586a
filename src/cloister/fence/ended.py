"""How a job ended, and what the kernel refused it meanwhile, in words."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from cloister.fence.filter import FAMILIES
from cloister.fence.syscalls import this_architecture

_ORDINARY = {
    (socket.SOCK_STREAM, 0),
    (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.SOCK_DGRAM, 0),
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
}
_X32 = 0x40000000


@dataclass(frozen=True, slots=True)
class Ended:
    """The last message of the inside."""

    exit_status: int
    network_attempts: int = 0
    peak_memory_bytes: int = 0
    fullest_bytes: int = 0
    """The most that the scratch space held when it was looked at."""
    scratch_bytes: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    complaint: str = ""
    """Set when the fence itself broke, and took the job with it."""

    @classmethod
    def parse(cls, fields: Sequence[bytes]) -> Self:
        """From the fields the supervisor sent."""
        status, attempts, peak, fullest, size, *refused = fields
        code = os.waitstatus_to_exitcode(int(status))
        return cls(
            exit_status=code if code >= 0 else 128 - code,
            network_attempts=int(attempts),
            peak_memory_bytes=int(peak),
            fullest_bytes=int(fullest),
            scratch_bytes=int(size),
            refused=_named(refused),
        )

    @property
    def refused_sockets(self) -> int:
        """Attempts to reach a network that ended at the filter."""
        return sum(n for name, n in self.refused.items() if name.startswith("socket(AF_INET"))

    @property
    def was_full(self) -> bool:
        """The scratch space had no room left."""
        return 0 < self.scratch_bytes <= self.fullest_bytes + (1 << 16)


def _named(refused: Sequence[bytes]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in refused:
        key, _, count = item.decode().partition("=")
        name = _name(key)
        counts[name] = counts.get(name, 0) + int(count)
    return dict(sorted(counts.items()))


def _name(key: str) -> str:
    audit, number, *arguments = key.split()
    architecture = this_architecture()
    if architecture is None or int(audit, 16) != architecture.audit:
        return "foreign system call"
    if int(number) & _X32:
        return "x32 system call"
    if arguments:
        return _socket_name(*[int(argument) for argument in arguments])
    return architecture.name(int(number))


def _socket_name(family: int, kind: int, protocol: int) -> str:
    name = _constant(socket.AddressFamily, family)
    if family not in FAMILIES or (kind, protocol) in _ORDINARY or family == socket.AF_UNIX:
        return f"socket({name})"
    if kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM) or family == socket.AF_NETLINK:
        return f"socket({name}, protocol {protocol})"
    return f"socket({name}, {_constant(socket.SocketKind, kind)})"


def _constant(kind: type[socket.AddressFamily | socket.SocketKind], value: int) -> str:
    try:
        return kind(value).name
    except ValueError:
        return str(value)

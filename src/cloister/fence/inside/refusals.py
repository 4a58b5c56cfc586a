"""Answers the system calls the filter refuses, and counts them (seccomp_unotify(2))."""

from __future__ import annotations

import struct
from errno import EAFNOSUPPORT, EINTR, ENOENT, EPERM
from fcntl import ioctl

_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, _SEND
_MOST_KEYS = 200
_INT = 0xFFFFFFFF
_NOTICE = "<QIIiIQ6Q"  # struct seccomp_notif
_REPLY = "<QqiI"  # struct seccomp_notif_resp


class Refusals:
    """Counts by architecture, call number and, for ``socket``, its three arguments."""

    def __init__(self, socket_call: int, families: frozenset[int]) -> None:
        self._socket_call = socket_call
        self._families = families
        self._counts: dict[bytes, int] = {}

    def answer(self, listener: int) -> None:
        """Refuses one waiting call; a caller that died meanwhile needs no answer."""
        notice = bytearray(struct.calcsize(_NOTICE))
        try:
            ioctl(listener, _RECEIVE, notice)
        except OSError as error:
            if error.errno not in (ENOENT, EINTR):
                raise
            return
        identity, _, _, number, architecture, _, first, second, third, *_ = struct.unpack(
            _NOTICE, notice
        )
        arguments, refusal = b"", EPERM
        if number == self._socket_call:
            family = first & _INT  # the kernel reads no more of it
            arguments = b" %d %d %d" % (family, second & 0xF, third & _INT)
            refusal = EPERM if family in self._families else EAFNOSUPPORT
        key = b"%x %d%s" % (architecture, number & _INT, arguments)
        if len(self._counts) >= _MOST_KEYS and key not in self._counts:
            key = b"%x %d" % (
                architecture,
                number & _INT,
            )  # arguments are the job's choice
        self._counts[key] = self._counts.get(key, 0) + 1
        try:
            ioctl(listener, _ANSWER, struct.pack(_REPLY, identity, 0, -refusal, 0))
        except OSError as error:
            if error.errno != ENOENT:
                raise

    def fields(self) -> list[bytes]:
        """``key=count`` for the report."""
        return [b"%s=%d" % item for item in self._counts.items()]

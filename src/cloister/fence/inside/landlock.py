"""The second wall: what a job may touch even if a mount were wrong.

Landlock, documented in the kernel's userspace-api/landlock.rst. Rights a kernel does not
know are left out; the rest of the fence does not count on them.
"""

from __future__ import annotations

import os
import stat
import struct
from _collections_abc import Sequence

from cloister.fence.inside import kernel

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_MAKE_SOCK, _MAKE_FIFO, _MAKE_SYM = 1 << 9, 1 << 10, 1 << 12
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

_KNOWN_SINCE = ((1, (1 << 13) - 1), (2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV))
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = (
    (_READ | _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE)
    | (_MAKE_DIR | _MAKE_REG | _MAKE_SOCK | _MAKE_FIFO | _MAKE_SYM | _REFER)
)  # fmt: skip
_DEVICE = _READ_FILE | _READ_DIR | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
_RIGHTS = {b"read": _READ, b"write": _WRITE, b"device": _DEVICE}

_BIND_TCP, _CONNECT_TCP = 1, 2  # since version 4
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2  # since version 6


def confine(rules: Sequence[Sequence[bytes]], *, network: bool) -> None:
    """Denies this process everything but ``rules``: (kind, path) with kind read, write, device.

    Without ``network``, TCP is refused too. Signals and abstract sockets do not leave.
    """
    abi = kernel.landlock_abi()
    handled = 0
    for since, rights in _KNOWN_SINCE:
        handled |= rights if abi >= since else 0
    tcp = _BIND_TCP | _CONNECT_TCP if abi >= 4 and not network else 0
    scoped = _ABSTRACT_SOCKETS | _SIGNALS if abi >= 6 else 0
    ruleset = kernel.landlock_ruleset(struct.pack("<QQQ", handled, tcp, scoped))
    for kind, path in rules:
        _allow(ruleset, path, _RIGHTS[kind] & handled)
    kernel.landlock_restrict(ruleset)
    os.close(ruleset)


def _allow(ruleset: int, path: bytes, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # nothing there to allow
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _ON_FILES
        kernel.landlock_allow(ruleset, struct.pack("<Qi", rights, place))
    finally:
        os.close(place)

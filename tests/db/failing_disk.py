"""A disk that fails from now on, in this process: system calls answer with an error.

The kernel itself refuses them (seccomp), so SQLite's own handling of the failure runs.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

_NUMBERS = {
    "x86_64": {"fsync": 74, "fdatasync": 75, "pwrite64": 18, "write": 1},
    "aarch64": {"fsync": 82, "fdatasync": 83, "pwrite64": 68, "write": 64},
}
SYNC = ("fsync", "fdatasync")
WRITE = ("pwrite64",)
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF: ld [k], jeq k, ret k
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2


def fail(calls: tuple[str, ...], error: int = errno.EIO) -> None:
    """Makes these system calls fail for the rest of this process's life."""
    numbers = [_NUMBERS[platform.machine()][name] for name in calls]
    code = [(_LOAD, 0, 0, 0)]  # the number of the call
    for left, number in zip(range(len(numbers), 0, -1), numbers, strict=True):
        code.append((_EQUAL, left, 0, number))
    code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | error)]
    program = b"".join(struct.pack("=HBBI", *step) for step in code)
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("@HP", len(code), ctypes.addressof(buffer))
    library = ctypes.CDLL(None, use_errno=True)
    assert library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    assert library.prctl(_SET_SECCOMP, _FILTER, header, 0, 0) == 0, ctypes.get_errno()

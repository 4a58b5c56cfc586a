"""Becomes a host that forbids something: ``forbid.py CALL=ERRNO,... COMMAND...``.

Installs a seccomp filter that fails the named system calls, as a container's runtime, an
older kernel or a hardened host would, and executes the command under it.
"""

from __future__ import annotations

import errno
import os
import sys

from cloister.fence.filter import Instruction
from cloister.fence.inside import kernel

NUMBERS = {
    "unshare": {"x86_64": 272, "aarch64": 97},
    "mount": {"x86_64": 165, "aarch64": 40},
    "setxattr": {"x86_64": 188, "aarch64": 5},
    "landlock": {"x86_64": 444, "aarch64": 444},
    "seccomp": {"x86_64": 317, "aarch64": 277},
}
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000


def forbid(calls: dict[str, int]) -> None:
    """Every later call of those fails with its error number."""
    program = [Instruction(LOAD, 0)]
    for name, number in calls.items():
        call = NUMBERS[name][os.uname().machine]
        program += [Instruction(JUMP_EQUAL, call, 0, 1), Instruction(RETURN, FAIL | number)]
    program.append(Instruction(RETURN, ALLOW))
    kernel.refuse_new_privileges()
    kernel.seccomp(b"".join(part.packed() for part in program), listen=False)


if __name__ == "__main__":
    pairs = [item.split("=") for item in sys.argv[1].split(",")]
    forbid({name: getattr(errno, number) for name, number in pairs})
    os.execv(sys.argv[2], sys.argv[2:])

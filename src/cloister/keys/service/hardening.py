"""What keeps the key service's memory out of swap, core dumps and debuggers."""

from __future__ import annotations

import ctypes
import os
import resource

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def harden() -> bool:
    """Applies all of it to this process; True when its memory cannot reach swap.

    Non-dumpable also closes /proc/<pid>/mem and ptrace to other processes of the same user
    (prctl(2), PR_SET_DUMPABLE). Parents' deaths are not followed: this is a daemon.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl refused")
    return _lock_memory(libc)


def _lock_memory(libc: ctypes.CDLL) -> bool:
    # A limit would make later allocations fail once it is reached, argon2id's first of all.
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    if hard != resource.RLIM_INFINITY and os.geteuid() != 0:
        return False
    # On fault: pages are locked as they are used, so that stacks and libraries stay small.
    return bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)

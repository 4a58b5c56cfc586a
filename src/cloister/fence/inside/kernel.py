"""The kernel calls a fence is made of, through the C library and nothing else.

Each raises OSError with the call's name. Numbers above 423 are the same on every
architecture Linux added since; the few below are looked up.
"""

from __future__ import annotations

import ctypes
import os
from errno import EINVAL

CLONE_NEWNS = 0x20000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV = 1, 2, 4
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2

ATTR_RDONLY = 1

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECUREBITS = 1, 4, 28
_PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 24, 36, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
# keep_caps stays off; noroot, no_setuid_fixup and no_cap_ambient_raise are on, all locked
_SECUREBITS = 0b11101111

_OPEN_TREE, _MOVE_MOUNT, _CLOSE_RANGE, _MOUNT_SETATTR = 428, 429, 436, 442
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC, _AT_SYMLINK_NOFOLLOW = 1, os.O_CLOEXEC, 0x100
_MOVE_MOUNT_F_EMPTY_PATH = 4

_SIG_SETMASK, _TIOCSCTTY = 2, 0x540E

_SECCOMP_SET_MODE_FILTER = 1
_FLAG_NEW_LISTENER, _FLAG_WAIT_KILLABLE = 1 << 3, 1 << 5

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, call: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def _syscall(number: int, call: str, *arguments: int | bytes | None) -> int:
    typed = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *typed), call)


def _prctl(option: int, value: int, third: int = 0) -> None:
    zero = ctypes.c_ulong(0)
    result = _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(third), zero, zero)
    _checked(result, f"prctl {option}")


def unshare(flags: int) -> None:
    """Moves this process (its next child, for CLONE_NEWPID) into new namespaces."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: bytes, target: bytes, kind: bytes, flags: int, options: bytes = b"") -> None:
    """mount(2)."""
    result = _libc.mount(source, target, kind, ctypes.c_ulong(flags), options)
    _checked(result, f"mount {kind.decode()}")


def detach(target: bytes) -> None:
    """Takes a mount out of the tree; it lives on where it is still held."""
    _checked(_libc.umount2(target, MNT_DETACH), "umount")


def pivot_here() -> None:
    """Makes the current folder the root and lets go of the old one."""
    _checked(_libc.pivot_root(b".", b"."), "pivot_root")
    detach(b".")
    os.chdir("/")


def take_tree(path: bytes, attributes: int) -> int:
    """A private copy of the mounts below ``path`` with ``attributes`` on each: a descriptor.

    A link at the end of ``path`` is not followed, whoever put it there meanwhile.
    """
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE | _AT_SYMLINK_NOFOLLOW
    tree = _syscall(_OPEN_TREE, "open_tree", _AT_FDCWD, path, flags)
    if attributes:
        _set_attributes(tree, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, attributes)
    return tree


def place_tree(tree: int, target: bytes) -> None:
    """Attaches what ``take_tree`` gave."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH
    _syscall(_MOVE_MOUNT, "move_mount", tree, b"", _AT_FDCWD, target, flags)


def protect(target: bytes, attributes: int) -> None:
    """Sets attributes on one mount; read-only fails (EBUSY) while a file is open to write."""
    _set_attributes(_AT_FDCWD, target, 0, attributes)


def _set_attributes(folder: int, path: bytes, flags: int, attributes: int) -> None:
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)  # struct mount_attr: set, clear, ...
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_long(folder),
        path,
        ctypes.c_long(flags),
        wanted,
        ctypes.c_long(ctypes.sizeof(wanted)),
    )
    _checked(result, "mount_setattr")


def set_hostname(name: bytes) -> None:
    """The name of this UTS namespace."""
    _checked(_libc.sethostname(name, ctypes.c_size_t(len(name))), "sethostname")


def die_with_parent(signal: int) -> None:
    """Asks for ``signal`` when the thread that started this process ends."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def default_signals() -> None:
    """Every signal at its default and none blocked, whatever the runner was started with."""
    for number in range(1, 65):
        _libc.signal(number, None)
    _checked(_libc.sigprocmask(_SIG_SETMASK, bytes(128), None), "sigprocmask")


def control_terminal(descriptor: int) -> None:
    """Makes a terminal this session's own, so that Ctrl-C reaches its foreground job."""
    _checked(_libc.ioctl(descriptor, ctypes.c_ulong(_TIOCSCTTY), 0), "TIOCSCTTY")


def hide_memory() -> None:
    """Non-dumpable: no ptrace, no /proc/PID/mem, no core, /proc/PID owned by root."""
    _prctl(_PR_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Descendants that lose their parent become children of this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def give_up_capabilities() -> None:
    """No capability now, none by any exec, none in any namespace this process could enter."""
    with open("/proc/sys/kernel/cap_last_cap", "rb") as file:
        last = int(file.read())
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(last + 1):
        _prctl(_PR_CAPBSET_DROP, capability)
    _prctl(_PR_SET_SECUREBITS, _SECUREBITS)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    _checked(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def refuse_new_privileges() -> None:
    """setuid bits and file capabilities have no effect from here on."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def close_from(first: int) -> None:
    """Closes every descriptor from ``first`` up."""
    _syscall(_CLOSE_RANGE, "close_range", first, 0xFFFFFFFF, 0)


def landlock_abi() -> int:
    """The Landlock version the kernel speaks; raises OSError where it is off."""
    return _syscall(_LANDLOCK_CREATE, "landlock", None, 0, 1)


def landlock_ruleset(attributes: bytes) -> int:
    """A new ruleset; ``attributes`` is struct landlock_ruleset_attr."""
    size = len(attributes)
    return _syscall(_LANDLOCK_CREATE, "landlock_create_ruleset", attributes, size, 0)


def landlock_allow(ruleset: int, rule: bytes) -> None:
    """Adds one path rule; ``rule`` is struct landlock_path_beneath_attr."""
    _syscall(_LANDLOCK_ADD, "landlock_add_rule", ruleset, 1, rule, 0)


def landlock_restrict(ruleset: int) -> None:
    """Enforces the ruleset on this thread and all it will start."""
    _syscall(_LANDLOCK_RESTRICT, "landlock_restrict_self", ruleset, 0)


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def seccomp(program: bytes, *, listen: bool) -> int:
    """Installs a BPF filter; gives the listener that answers refused calls, or -1 without."""
    if not listen:
        _install(program, 0)
        return -1
    try:
        return _install(program, _FLAG_NEW_LISTENER | _FLAG_WAIT_KILLABLE)
    except OSError as error:
        if error.errno != EINVAL:  # before Linux 5.19, a wait could always be interrupted
            raise
        return _install(program, _FLAG_NEW_LISTENER)


def _install(program: bytes, flags: int) -> int:
    block = _FilterProgram(len(program) // 8, program)
    number = ctypes.c_long(_SECCOMP[os.uname().machine])
    mode, given = ctypes.c_long(_SECCOMP_SET_MODE_FILTER), ctypes.c_long(flags)
    return _checked(_libc.syscall(number, mode, given, ctypes.byref(block)), "seccomp")

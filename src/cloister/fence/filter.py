"""The seccomp filter: which system calls a job is refused (seccomp(2), classic BPF)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from cloister.fence.syscalls import Architecture

_ALLOW, _NOTIFY, _ENOSYS = 0x7FFF0000, 0x7FC00000, 0x00050000 | 38
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL = 0x20, 0x15, 0x35
_JUMP_ANY_BIT, _AND, _RETURN = 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_X32 = 0x40000000  # x86-64 calls under another numbering: would step around the whole filter

_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* bit
_RLIMIT_CORE = 4
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # types into a terminal; pastes into the console

FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
"""The socket families a job inside a network namespace may use."""

ALWAYS = (
    "io_uring_setup", "io_uring_enter", "io_uring_register",  # acts past this very filter
    "mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr", "move_mount",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "quotactl", "quotactl_fd",
    "unshare", "setns",
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp",
    "pidfd_getfd",
    "bpf", "perf_event_open", "userfaultfd", "fanotify_init",
    "add_key", "request_key", "keyctl",  # keyrings know no namespace
    "open_by_handle_at", "name_to_handle_at", "lookup_dcookie",
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "create_module", "reboot", "swapon", "swapoff", "acct", "syslog", "nfsservctl",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
    "iopl", "ioperm", "modify_ldt", "uselib", "vhangup",
)  # fmt: skip
"""Refused whatever the arguments."""

SHARED_WITH_THE_HOST = ("shmget", "msgget", "semget", "mq_open")
"""Refused too where there is no IPC namespace."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One BPF instruction; jumps count the instructions skipped."""

    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def packed(self) -> bytes:
        """struct sock_filter."""
        return struct.pack("<HBBI", self.code, self.if_true, self.if_false, self.value)


def build_filter(architecture: Architecture, *, network: bool) -> bytes:
    """The program. ``network``: the job has a network namespace of its own for sockets."""
    refused = ALWAYS if network else ALWAYS + SHARED_WITH_THE_HOST
    program = [
        *_foreign_numbering(),
        *_when(architecture, "ioctl", _refuse_values(1, (_TIOCSTI, _TIOCLINUX))),
        *_when(architecture, "clone", _refuse_bits(0, _NEW_NAMESPACES)),
        *_when(architecture, "setrlimit", _refuse_values(0, (_RLIMIT_CORE,))),
        *_when(architecture, "prlimit64", _change_of_core_limit()),
        *_when(architecture, "clone3", [Instruction(_RETURN, _ENOSYS)]),  # libc then uses clone
        *_when(architecture, "socket", _sockets() if network else [_refuse()]),
        *_refuse_all(architecture, refused),
        Instruction(_RETURN, _ALLOW),
    ]
    native = Instruction(_JUMP_EQUAL, architecture.audit, 1, 0)
    head = [Instruction(_LOAD, _ARCHITECTURE), native, _refuse(), Instruction(_LOAD, _NUMBER)]
    return b"".join(instruction.packed() for instruction in [*head, *program])


def _refuse() -> Instruction:
    return Instruction(_RETURN, _NOTIFY)


def _foreign_numbering() -> list[Instruction]:
    return [Instruction(_JUMP_GREATER_EQUAL, _X32, 0, 1), _refuse()]


def _when(architecture: Architecture, name: str, then: list[Instruction]) -> list[Instruction]:
    """``then`` decides about that one call; every other goes past it."""
    number = architecture.number(name)
    if number is None:
        return []
    return [Instruction(_JUMP_EQUAL, number, 0, len(then)), *then]


def _argument(index: int) -> Instruction:
    return Instruction(_LOAD, _high_half(index) - 4)  # its low half, little-endian


def _high_half(index: int) -> int:
    return 20 + 8 * index


def _refuse_values(index: int, values: Iterable[int]) -> list[Instruction]:
    found = [i for v in values for i in (Instruction(_JUMP_EQUAL, v, 0, 1), _refuse())]
    return [_argument(index), *found, Instruction(_RETURN, _ALLOW)]


def _change_of_core_limit() -> list[Instruction]:
    """A limit of 1 keeps cores from the host's handler; the job could set 0, which does not."""
    return [
        _argument(1),
        Instruction(_JUMP_EQUAL, _RLIMIT_CORE, 1, 0),
        _allow(),
        _argument(2),  # the new limit, a pointer: both its halves are zero when it only asks
        Instruction(_JUMP_EQUAL, 0, 0, 3),
        Instruction(_LOAD, _high_half(2)),
        Instruction(_JUMP_EQUAL, 0, 0, 1),
        _allow(),
        _refuse(),
    ]


def _refuse_bits(index: int, bits: int) -> list[Instruction]:
    test = Instruction(_JUMP_ANY_BIT, bits, 0, 1)
    return [_argument(index), test, _refuse(), Instruction(_RETURN, _ALLOW)]


def _sockets() -> list[Instruction]:
    """UNIX; NETLINK_ROUTE; TCP and UDP over INET: no raw, no ICMP, no exotic transport."""
    tcp = _one_transport(socket.SOCK_STREAM, socket.IPPROTO_TCP)
    udp = _one_transport(socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    internet = [_argument(1), Instruction(_AND, 0xF), *tcp, *udp, _refuse()]
    netlink = [_argument(2), Instruction(_JUMP_EQUAL, 0, 0, 1), _allow(), _refuse()]
    return [
        _argument(0),
        Instruction(_JUMP_EQUAL, socket.AF_UNIX, 0, 1),
        _allow(),
        Instruction(_JUMP_EQUAL, socket.AF_NETLINK, 0, len(netlink)),
        *netlink,
        Instruction(_JUMP_EQUAL, socket.AF_INET, 1, 0),
        Instruction(_JUMP_EQUAL, socket.AF_INET6, 0, len(internet)),
        *internet,
        _refuse(),
    ]


def _one_transport(kind: int, protocol: int) -> list[Instruction]:
    """If the type is ``kind``: its default protocol or ``protocol``, and nothing else."""
    then = [
        _argument(2),
        Instruction(_JUMP_EQUAL, 0, 1, 0),
        Instruction(_JUMP_EQUAL, protocol, 0, 1),
        _allow(),
        _refuse(),
    ]
    return [Instruction(_JUMP_EQUAL, kind, 0, len(then)), *then]


def _allow() -> Instruction:
    return Instruction(_RETURN, _ALLOW)


def _refuse_all(architecture: Architecture, names: Iterable[str]) -> list[Instruction]:
    numbers = sorted({n for name in names if (n := architecture.number(name)) is not None})
    tests = [
        Instruction(
            _JUMP_EQUAL, number, len(numbers) - 1 - place, int(place == len(numbers) - 1)
        )
        for place, number in enumerate(numbers)
    ]
    return [*tests, _refuse()]

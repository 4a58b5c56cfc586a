"""System call numbers per architecture, for those the filter speaks of (asm/unistd.h)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

# name: (x86_64, aarch64); None where the architecture never had it
_NUMBERS: Mapping[str, tuple[int | None, int | None]] = {
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280),
    "chroot": (161, 51), "clock_adjtime": (305, 266), "clock_settime": (227, 112),
    "clone": (56, 220), "clone3": (435, 435), "create_module": (174, None),
    "delete_module": (176, 106), "fanotify_init": (300, 262), "finit_module": (313, 273),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fsopen": (430, 430),
    "fspick": (433, 433), "init_module": (175, 105), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "io_uring_setup": (425, 425), "ioctl": (16, 29),
    "ioperm": (173, None), "iopl": (172, None), "kcmp": (312, 272),
    "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219),
    "lookup_dcookie": (212, 18), "modify_ldt": (154, None), "mount": (165, 40),
    "mount_setattr": (442, 442), "move_mount": (429, 429), "mq_open": (240, 180),
    "msgget": (68, 186), "name_to_handle_at": (303, 264), "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265), "open_tree": (428, 428), "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241), "pidfd_getfd": (438, 438), "pivot_root": (155, 41),
    "process_madvise": (440, 440), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "prlimit64": (302, 261), "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "reboot": (169, 142), "request_key": (249, 218),
    "semget": (64, 190), "setns": (308, 268), "setrlimit": (160, 164),
    "settimeofday": (164, 170),
    "shmget": (29, 194), "socket": (41, 198), "swapoff": (168, 225), "swapon": (167, 224),
    "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97),
    "uselib": (134, None), "userfaultfd": (323, 282), "vhangup": (153, 58),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Architecture:
    """How one kind of processor counts its system calls."""

    audit: int
    """AUDIT_ARCH_* as a filter sees it."""
    column: int

    def number(self, name: str) -> int | None:
        """The number of a call; None where there is no such call."""
        return _NUMBERS[name][self.column]

    def name(self, number: int) -> str:
        """The name of a number the filter speaks of."""
        for name, numbers in _NUMBERS.items():
            if numbers[self.column] == number:
                return name
        return f"call {number}"


_KNOWN = {"x86_64": Architecture(0xC000003E, 0), "aarch64": Architecture(0xC00000B7, 1)}


def this_architecture() -> Architecture | None:
    """This machine's; None where no table is known, and so no filter can be built."""
    return _KNOWN.get(os.uname().machine)

"""Which parts of the host every job may read, and the few files written for it."""

from __future__ import annotations

import os

FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Programs and libraries; where one is a link into /usr, the link is made again."""

SETTINGS = (
    "/etc/ld.so.cache", "/etc/ld-musl-x86_64.path", "/etc/localtime", "/etc/timezone",
    "/etc/os-release", "/etc/alternatives", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/protocols", "/etc/services",
    "/etc/mime.types", "/etc/magic", "/etc/fonts", "/etc/bash.bashrc", "/etc/profile",
    "/etc/OpenCL", "/etc/vulkan",
)  # fmt: skip
"""No accounts, no secrets, no names of this host or its network."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")

HARDWARE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
"""Read by numeric libraries to choose threads and vector widths."""

FACTS = (
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg",
    "/proc/filesystems", "/proc/version", "/proc/sys/vm/overcommit_memory",
)  # fmt: skip
"""All a job may read of the host's /proc where it has none of its own."""

MASKED = (
    "/proc/acpi", "/proc/bus", "/proc/driver", "/proc/kallsyms", "/proc/kcore",
    "/proc/key-users", "/proc/keys", "/proc/kmsg", "/proc/latency_stats", "/proc/modules",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
)  # fmt: skip
READ_ONLY = ("/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

TEMPORARY = "/tmp"  # noqa: S108 - private to the job
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - private to the job

USER = "job"
HOME = "/home/job"
USER_ID = GROUP_ID = 1000
HOSTNAME = "cloister"

FILES = {
    "/etc/passwd": (
        f"root:x:0:0:root:/:/sbin/nologin\n"
        f"{USER}:x:{USER_ID}:{GROUP_ID}:{USER}:{HOME}:/bin/sh\n"
        f"nobody:x:65534:65534:nobody:/:/sbin/nologin\n"
    ),
    "/etc/group": f"root:x:0:\n{USER}:x:{GROUP_ID}:\nnogroup:x:65534:\n",
    "/etc/hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost {HOSTNAME}\n",
    "/etc/hostname": f"{HOSTNAME}\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    # RFC 5737: no route leads to it, so a look-up fails at once and is counted as an attempt
    "/etc/resolv.conf": "nameserver 192.0.2.1\noptions attempts:1 timeout:1\n",
}


def real(path: str | os.PathLike[str]) -> str:
    """The path without links, also for what no longer exists."""
    return os.path.realpath(path)


def links_on(path: str | os.PathLike[str]) -> dict[str, str]:
    """Every link met on the way to ``path``, and where it leads: to be made again inside."""
    found: dict[str, str] = {}
    todo, at = os.path.abspath(path).split("/")[1:], "/"
    while todo:
        at = os.path.join(real(at), todo.pop(0))
        if os.path.islink(at) and at not in found:
            found[at] = os.readlink(at)
            todo = os.path.join(os.path.dirname(at), found[at]).split("/")[1:] + todo
            at = "/"
    return found


def lies_in(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies below it; both without links."""
    return path == folder or path.startswith(folder.rstrip("/") + "/") or folder == "/"

"""Why a host refuses part of the fence, and what its administrator can do about it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from cloister.fence.walls import Wall, WallRefused

_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_DEBIAN = Path("/proc/sys/kernel/unprivileged_userns_clone")
_LIMIT = Path("/proc/sys/user/max_user_namespaces")


@dataclass(frozen=True, slots=True)
class Remedy:
    """A finding about this host."""

    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.reason}; {self.fix}"


def explain(refused: WallRefused) -> Remedy:
    """What the refusal of one wall most likely means here."""
    if refused.wall is Wall.LANDLOCK:
        return Remedy(
            f"Landlock is off ({_error(refused)})",
            "boot with lsm=landlock,... on a kernel of 5.13 or later",
        )
    if refused.wall is Wall.SECCOMP:
        return Remedy(
            f"seccomp filters are refused ({_error(refused)})",
            "use a kernel with CONFIG_SECCOMP_FILTER, and a container that allows seccomp(2)",
        )
    return _namespaces(refused)


def _namespaces(refused: WallRefused) -> Remedy:
    if _reads(_DEBIAN) == "0":
        return Remedy(
            "this host forbids user namespaces to ordinary users",
            "sysctl kernel.unprivileged_userns_clone=1",
        )
    if _reads(_LIMIT) == "0":
        return Remedy(
            "this host allows no user namespace (user.max_user_namespaces=0)",
            "sysctl user.max_user_namespaces=10000",
        )
    if _reads(_APPARMOR) == "1" and os.geteuid() != 0:
        return Remedy(
            "AppArmor takes all rights away inside unprivileged user namespaces",
            "give this Python an AppArmor profile with `userns,`, or "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        )
    if "mount proc" in refused.step and refused.number == errno.EPERM:
        return Remedy(
            "this container hides parts of /proc, so no fresh one can be mounted",
            "run the container with --security-opt systempaths=unconfined",
        )
    return Remedy(
        f"namespaces are refused at `{refused.step or 'unshare'}` ({_error(refused)})",
        "in a container allow unshare, mount and pivot_root "
        "(docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined)",
    )


def _error(refused: WallRefused) -> str:
    return errno.errorcode.get(refused.number, str(refused.number))


def _reads(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

"""The new root of a job, as steps: what it sees, where, and what it may do there."""

from __future__ import annotations

import os
from collections.abc import Iterable

from cloister.fence import system
from cloister.fence.planning import PlanWriter
from cloister.fence.spec import FenceSpec
from cloister.fence.view import View

_RDONLY, _NOSUID, _NODEV, _NOEXEC = 1, 2, 4, 8
_SHOWN = _RDONLY | _NOSUID | _NODEV
_NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time")
_PRIVATE = {"home": system.HOME, "tmp": system.TEMPORARY, "shm": system.SHARED_MEMORY}
_WORKDIR = "workdir"


def write_root(view: View, spec: FenceSpec, plan: PlanWriter) -> None:
    """All steps from the host's root to the job's, in the order they must happen.

    First copies of the mounts are taken, scaffolding of fixed names is built in memory, the
    old root is let go for good, and only then is anything placed by a path that others
    choose: no such path can resolve into the host.
    """
    shown = _present(system.FOLDERS + system.SETTINGS + system.HARDWARE)
    devices = [*_present(system.DEVICES), *(str(path) for path in spec.devices)]
    _take(plan, view, shown, devices)
    _stage(plan, spec.scratch_bytes)
    _receive_data(plan, view)
    _workdir(plan, view)
    _reads(plan, view)
    plan.step("enter", "root", "mode=755,size=16m")
    _base(plan, [*shown, *devices])
    _kernel_views(plan)
    for name, path in _PRIVATE.items():
        _show(plan, name, path)
    for link, target in view.links:
        plan.step("link", link, target)
    _places(plan, view)
    for path in view.hidden:
        plan.step("mask", path)
    plan.step("protect", "/", _SHOWN)


def _present(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if os.path.exists(path) and not os.path.islink(path)]


def _take(plan: PlanWriter, view: View, shown: list[str], devices: list[str]) -> None:
    # The kernel gives a fresh /proc only to a namespace that sees a whole one already.
    plan.step("mount", "proc", "/proc", _NOSUID | _NODEV | _NOEXEC, "hidepid=4")
    plan.step("take", "/proc", "/proc", 0)
    for path in shown:
        plan.step("take", path, path, _SHOWN)
    for path in devices:
        plan.step("take", path, path, _NOSUID | _NOEXEC)
    for path in view.reads:
        plan.step("take", path, path, _SHOWN)
    if view.restored is None:
        plan.step("take", "lower", view.workdir, _SHOWN)


def _stage(plan: PlanWriter, limit: int | None) -> None:
    """One space in memory for all a job may write, so that one number bounds it."""
    room = f",size={limit}" if limit is not None else ""
    plan.step("stage", f"mode=755{room}")
    modes = {"home": "755", "tmp": "1777", "shm": "1777"}
    for name in ("upper", "work", "lower", "prepared", "merged", "root", *modes):
        plan.step("folder", name, modes.get(name, "755"))
    for name in modes:
        plan.step("take", name, name, _NOSUID | _NODEV)


def _receive_data(plan: PlanWriter, view: View) -> None:
    """Empty folders in memory, for the runner to fill; nobody else can name them."""
    if view.restored is not None:
        plan.step("hand", "fill", "lower")
    if view.prepared is not None:
        plan.step("hand", "fill", "prepared")
    flags = _NOSUID | _NODEV | _NOEXEC
    for place, (_, mount) in enumerate(view.data):
        room = f",size={mount.size_bytes}" if mount.size_bytes is not None else ""
        plan.step("mount", "tmpfs", f"data{place}", flags, f"mode=755{room}")
        plan.step("hand", "fill", f"data{place}")
    if view.fills():
        plan.step("wait")
    for place, (path, mount) in enumerate(view.data):
        others = [view.workdir, *view.reads, *(p for p, _ in view.data if p != path)]
        inner = [other for other in others if system.lies_in(other, path)]
        for mount_point in inner:  # made now: the data is read-only from here on
            plan.step("folder", f"data{place}/{os.path.relpath(mount_point, path)}", "755")
        name = f"/{os.path.basename(mount.path)}" if mount.is_file else ""
        plan.step("take", path, f"data{place}{name}", _SHOWN | _NOEXEC)


def _workdir(plan: PlanWriter, view: View) -> None:
    """Data that lies at or above the working folder shows through it, above the original."""
    if view.restored is None:
        plan.step("place", "lower", "lower")
    above = [
        os.path.normpath(f"data{place}/{os.path.relpath(view.workdir, path)}")
        for place, (path, _) in enumerate(view.data)
        if system.lies_in(view.workdir, path)
    ]
    plan.step("overlay", "merged", "upper", "work", *above, "lower")
    if view.prepared is not None:
        plan.step("lay", "prepared", "merged")
    plan.step("take", _WORKDIR, "merged", _NOSUID | _NODEV)
    plan.step("hand", "changes", "upper")


def _reads(plan: PlanWriter, view: View) -> None:
    """Folders behind glass; a single file as it is."""
    for place, path in enumerate(view.reads):
        if os.path.isdir(path):
            plan.step("folder", f"read{place}", "755")
            plan.step("place", path, f"read{place}")
            plan.step("glass", f"glass{place}", f"read{place}", "root")
            plan.step("take", path, f"glass{place}", _SHOWN)


def _base(plan: PlanWriter, taken: list[str]) -> None:
    for path in system.FOLDERS + system.SETTINGS:
        if os.path.islink(path):
            plan.step("link", path, os.readlink(path))
    for path in taken:
        _show(plan, path, path)
    for path, content in system.FILES.items():
        plan.step("file", path, "644", content)


def _show(plan: PlanWriter, taken: str, path: str) -> None:
    plan.step("spot", taken, path)
    plan.step("place", taken, path)


def _kernel_views(plan: PlanWriter) -> None:
    plan.step("hostname", system.HOSTNAME)
    _show(plan, "/proc", "/proc")
    limits = [f"/proc/sys/user/max_{name}_namespaces" for name in _NAMESPACES]
    for path in _present(limits):
        plan.step("write", path, "0")
    for path in system.MASKED:
        plan.step("mask", path)
    for path in _present(system.READ_ONLY):
        plan.step("bind", path, path, _SHOWN | _NOEXEC)
    options = "newinstance,ptmxmode=0666,mode=620"
    plan.step("mount", "devpts", "/dev/pts", _NOSUID | _NOEXEC, options)
    plan.step("link", "/dev/ptmx", "pts/ptmx")
    plan.step("link", "/dev/fd", "/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        plan.step("link", f"/dev/{name}", f"/proc/self/fd/{number}")


def _places(plan: PlanWriter, view: View) -> None:
    """Working folder, data and further reads, the outer before what lies in them."""
    data = {path for path, _ in view.data}
    for path in sorted({view.workdir, *data, *view.reads}):
        _show(plan, _WORKDIR if path == view.workdir else path, path)

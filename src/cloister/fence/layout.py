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
_SCRATCH, _LOWER, _DATA = "/.scratch", "/.lower", "/.data"
_NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time")


def write_root(view: View, spec: FenceSpec, plan: PlanWriter) -> None:
    """All steps from the host's root to the job's, in the order they must happen.

    First copies of the mounts are taken, then the old root is let go for good, and only then
    is anything made: no path of a plan can resolve into the host.
    """
    shown = _present(system.FOLDERS + system.SETTINGS + system.HARDWARE)
    devices = [*_present(system.DEVICES), *(str(path) for path in spec.devices)]
    _take(plan, view, shown, devices)
    plan.step("root", "mode=755,size=16m")
    _receive_data(plan, view)
    _base(plan, [*shown, *devices])
    _kernel_views(plan)
    _scratch(plan, spec.scratch_bytes)
    for link, target in view.links:
        plan.step("link", link, target)
    _places(plan, view)
    _close(plan, view)


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
    plan.step("take", _LOWER, view.workdir, _SHOWN)


def _receive_data(plan: PlanWriter, view: View) -> None:
    """Empty folders in memory, for the runner to fill; nobody else can name them."""
    flags = _NOSUID | _NODEV | _NOEXEC
    for place, (_, mount) in enumerate(view.data):
        room = f",size={mount.size_bytes}" if mount.size_bytes is not None else ""
        plan.step("mount", "tmpfs", f"{_DATA}/{place}", flags, f"mode=755{room}")
        plan.step("hand", "fill", f"{_DATA}/{place}")
    if view.data:
        plan.step("wait")


def _base(plan: PlanWriter, taken: list[str]) -> None:
    for path in system.FOLDERS + system.SETTINGS:
        if os.path.islink(path):
            plan.step("link", path, os.readlink(path))
    for path in taken:
        _show(plan, path)
    for path, content in system.FILES.items():
        plan.step("file", path, "644", content)


def _show(plan: PlanWriter, path: str) -> None:
    plan.step("spot", path, path)
    plan.step("place", path, path)


def _kernel_views(plan: PlanWriter) -> None:
    plan.step("hostname", system.HOSTNAME)
    _show(plan, "/proc")
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


def _scratch(plan: PlanWriter, limit: int | None) -> None:
    """One space in memory for all a job may write, so that one number bounds it."""
    room = f",size={limit}" if limit is not None else ""
    plan.step("mount", "tmpfs", _SCRATCH, _NOSUID | _NODEV, f"mode=755{room}")
    plan.step("scratch", _SCRATCH)
    modes = {"upper": "", "work": "", "home": "", "tmp": "1777", "shm": "1777"}
    for name, mode in modes.items():
        plan.step("folder", f"{_SCRATCH}/{name}", mode)
    shown = {"home": system.HOME, "tmp": system.TEMPORARY, "shm": system.SHARED_MEMORY}
    for name, path in shown.items():
        plan.step("folder", path, "")
        plan.step("bind", f"{_SCRATCH}/{name}", path, _NOSUID | _NODEV)


def _places(plan: PlanWriter, view: View) -> None:
    """Working folder, data and further reads, the outer before what lies in them."""
    data = {path: place for place, (path, _) in enumerate(view.data)}
    for path in sorted({view.workdir, *data, *view.reads}):
        _make_room(plan, view, path)
        if path == view.workdir:
            _workdir(plan, view)
        elif path in data:
            _data(plan, view, data[path])
        else:
            _show(plan, path)


def _make_room(plan: PlanWriter, view: View, path: str) -> None:
    """A mount point inside data must be made before the data is read-only."""
    for place, (outer, _) in enumerate(view.data):
        if path != outer and system.lies_in(path, outer):
            plan.step("folder", f"{_DATA}/{place}/{os.path.relpath(path, outer)}", "")


def _workdir(plan: PlanWriter, view: View) -> None:
    plan.step("folder", _LOWER, "")
    plan.step("place", _LOWER, _LOWER)
    plan.step("folder", view.workdir, "")
    above = [
        os.path.normpath(f"{_DATA}/{place}/{os.path.relpath(view.workdir, path)}")
        for place, (path, _) in enumerate(view.data)
        if system.lies_in(view.workdir, path)
    ]
    plan.step("overlay", view.workdir, _SCRATCH, *above, _LOWER)
    plan.step("hand", "changes", f"{_SCRATCH}/upper")
    plan.step("detach", _LOWER)


def _data(plan: PlanWriter, view: View, place: int) -> None:
    path, mount = view.data[place]
    source = f"{_DATA}/{place}"
    if mount.is_file:
        source = f"{source}/{os.path.basename(mount.path)}"
    plan.step("spot", source, path)
    plan.step("bind", source, path, _SHOWN | _NOEXEC)


def _close(plan: PlanWriter, view: View) -> None:
    """Hides what must not show, lets go of the scaffolding, and locks the root."""
    for place in range(len(view.data)):
        plan.step("detach", f"{_DATA}/{place}")
    plan.step("detach", _SCRATCH)
    for path in view.hidden:
        plan.step("mask", path)
    plan.step("protect", "/", _SHOWN)

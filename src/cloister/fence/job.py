"""The plan of one job: its walls, its command and its limits."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from cloister.fence import system
from cloister.fence.cache import Cache
from cloister.fence.filter import FAMILIES, build_filter
from cloister.fence.layout import write_root
from cloister.fence.planning import PlanWriter
from cloister.fence.spec import FenceSpec
from cloister.fence.syscalls import this_architecture
from cloister.fence.view import View
from cloister.fence.walls import Wall


def fenced_plan(
    spec: FenceSpec, view: View, walls: AbstractSet[Wall], *, each_process_bytes: int | None
) -> bytes:
    """For a job in its own namespaces and root."""
    plan = PlanWriter()
    plan.add("namespaces")
    plan.add("ids", system.USER_ID, system.GROUP_ID)
    if spec.door is not None:
        plan.add("door", spec.door.port)
        spec = replace(spec, env={**spec.door.variables, **spec.env})
    write_root(view, spec, plan)
    if Wall.LANDLOCK in walls:
        _allow_inside_new_root(plan, spec, view)
    _filter(plan, walls, network=True)
    _limits(plan, each_process_bytes)
    _command(plan, spec, view.workdir)
    return plan.encoded()


def walled_plan(
    spec: FenceSpec,
    view: View,
    cache: Cache,
    walls: AbstractSet[Wall],
    *,
    each_process_bytes: int | None,
) -> bytes:
    """For a job in the host's own root, held back by Landlock and seccomp only."""
    plan = PlanWriter()
    plan.add("wipe", cache.folder)
    if Wall.LANDLOCK in walls:
        _allow_inside_old_root(plan, spec, view, cache)
    _filter(plan, walls, network=False)
    _limits(plan, each_process_bytes)
    argv = tuple(cache.translated(word) for word in spec.argv)
    moved = replace(spec, argv=argv, env=cache.environment(spec))
    _command(plan, moved, cache.place(view.workdir))
    return plan.encoded()


def _allow_inside_old_root(plan: PlanWriter, spec: FenceSpec, view: View, cache: Cache) -> None:
    plan.add("landlock")
    accounts = ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf")
    shown = (*system.FOLDERS, *system.SETTINGS, *system.HARDWARE, *accounts, *system.FACTS)
    for path in (*shown, *view.reads):
        plan.add("allow", "read", path)
    for place in range(len(view.data)):
        plan.add("allow", "read", f"{cache.folder}/data{place}")
    for name in ("work", "home", "tmp"):
        plan.add("allow", "write", f"{cache.folder}/{name}")
    for device in (*system.DEVICES, *map(str, spec.devices)):
        plan.add("allow", "device", device)


def _allow_inside_new_root(plan: PlanWriter, spec: FenceSpec, view: View) -> None:
    plan.add("landlock")
    plan.add("allow", "read", "/")
    for path in (view.workdir, system.HOME, system.TEMPORARY, system.SHARED_MEMORY):
        plan.add("allow", "write", path)
    for device in (*system.DEVICES, "/dev/pts", *map(str, spec.devices)):
        plan.add("allow", "device", device)


def _filter(plan: PlanWriter, walls: AbstractSet[Wall], *, network: bool) -> None:
    """The seccomp program, and which number is ``socket``, whose arguments are counted."""
    architecture = this_architecture()
    if Wall.SECCOMP in walls and architecture is not None:
        plan.add("seccomp", build_filter(architecture, network=network))
        families = FAMILIES if network else ()
        plan.add("socket", architecture.number("socket") or 0, *(int(f) for f in families))


def _limits(plan: PlanWriter, each_process_bytes: int | None) -> None:
    # core(5): 1 stops even a core that would be piped to a program of the host; 0 does not
    plan.add("limit", "RLIMIT_CORE", 1)
    if each_process_bytes is not None:
        plan.add("limit", "RLIMIT_DATA", each_process_bytes)


def _command(plan: PlanWriter, spec: FenceSpec, folder: str) -> None:
    if spec.tty:
        plan.add("tty")
    if spec.cpus:
        plan.add("cpus", *spec.cpus)
    plan.command(spec.argv, spec.env, folder)

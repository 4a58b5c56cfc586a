"""What a job sees, settled: every path without links, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from cloister.core.errors import BadInput, NotFound
from cloister.fence import system
from cloister.fence.spec import FenceSpec, Fill, Mount

_RESERVED = ("/proc", "/sys", "/etc", "/.scratch", "/.lower", "/.data", *system.FOLDERS)


@dataclass(frozen=True, slots=True)
class View:
    """The places of one job."""

    workdir: str
    reads: tuple[str, ...]
    """Outermost ones only, and none that the system's folders hold already."""
    data: tuple[tuple[str, Mount], ...]
    hidden: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    """Links on the way to any of them, so that the paths people use lead there too."""
    restored: Fill | None = None
    prepared: Fill | None = None

    def fills(self) -> tuple[tuple[str, Fill], ...]:
        """Whose folder is filled, and how, in the order in which the inside hands them over."""
        work = [(self.workdir, fill) for fill in (self.restored, self.prepared) if fill]
        return (*work, *((path, mount.fill) for path, mount in self.data))

    def mount_points(self) -> frozenset[str]:
        """Paths below the working folder that the fence makes itself: no changes of a job."""
        inside = [path for path, _ in self.data] + list(self.reads)
        return frozenset(
            os.path.relpath(path, self.workdir)
            for path in inside
            if path != self.workdir and system.lies_in(path, self.workdir)
        )


def view_of(spec: FenceSpec) -> View:
    """The view ``spec`` asks for; raises NotFound or BadInput when it cannot be given."""
    _check_command(spec)
    if spec.tty and not os.isatty(spec.stdin or 0):
        raise BadInput("a terminal was asked for, but standard input is not one")
    workdir = system.real(spec.workdir)
    if spec.restored is None and not os.path.isdir(workdir):
        raise NotFound(f"no such working folder: {spec.workdir}")
    hidden = tuple(sorted({system.real(path) for path in spec.hidden}))
    for path in hidden:
        if system.lies_in(workdir, path):
            raise BadInput(
                f"the working folder lies inside {path}, which no job may see",
                hint="run from your project's folder, outside the lab and its keys",
            )
    data = tuple((system.real(mount.path), mount) for mount in spec.data)
    if len({path for path, _ in data}) < len(data):
        raise BadInput("two datasets were added from one path: a job can be shown one of them")
    for path in (workdir, *(path for path, _ in data)):
        _refuse_reserved(path)
    reads = _reads(spec.reads)
    named = [spec.workdir, *spec.reads, *(mount.path for mount in spec.data)]
    links = {pair for path in named for pair in system.links_on(path).items()}
    links_shown = tuple(sorted(links))
    return View(workdir, reads, data, hidden, links_shown, spec.restored, spec.prepared)


def _check_command(spec: FenceSpec) -> None:
    if not spec.argv:
        raise BadInput("there is no command to run")
    if any("\0" in text for text in (*spec.argv, *spec.env, *spec.env.values())):
        raise BadInput("a command and its variables cannot hold a zero byte")
    if any(not name or "=" in name for name in spec.env):
        raise BadInput("the name of a variable cannot be empty or hold an equals sign")


def _refuse_reserved(path: str) -> None:
    in_devices = system.lies_in(path, "/dev") and not path.startswith(
        system.SHARED_MEMORY + "/"
    )
    in_others = any(system.lies_in(path, folder) for folder in _RESERVED)
    if path in ("/", system.TEMPORARY) or in_devices or in_others:
        raise BadInput(
            f"a job cannot work or find data at {path}: the system's own place",
            hint="use a folder of your own, such as one in your home",
        )


def _reads(paths: Iterable[os.PathLike[str]]) -> tuple[str, ...]:
    kept: list[str] = []
    covered = [system.real(folder) for folder in system.FOLDERS]
    for path in sorted({system.real(path) for path in paths}):
        if not os.path.exists(path):
            raise NotFound(f"no such path to show to the job: {path}")
        if path == "/":
            raise BadInput("the whole file system cannot be shown to a job: name folders")
        if not any(system.lies_in(path, other) for other in (*covered, *kept)):
            kept.append(path)
    return tuple(kept)

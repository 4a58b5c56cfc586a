"""Where the host forbids PID namespaces: finds all that a job left behind, and its files."""

from __future__ import annotations

import os
import time
from _collections_abc import Callable, Iterator

_KILL = 9


def end_descendants(reap: Callable[[], bool]) -> None:
    """Kills every descendant of this subreaper until none is left.

    A process that forks faster than it is found loses in the end: each round kills whole
    generations, and orphans come back here as children.
    """
    while reap():
        for pid in _descendants(os.getpid()):
            try:  # noqa: SIM105
                os.kill(pid, _KILL)
            except ProcessLookupError:
                pass
        time.sleep(0.002)


def _descendants(ancestor: int) -> Iterator[int]:
    parents = {pid: parent for pid in _processes() if (parent := _parent(pid))}
    for pid in parents:
        at = pid
        while at in parents and at != ancestor:
            at = parents[at]
        if at == ancestor and pid != ancestor:
            yield pid


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def wipe(folders: list[bytes]) -> None:
    """Removes folders and all in them; follows no link."""
    for folder in folders:
        for parent, names, files in os.walk(folder, topdown=False):
            os.chmod(parent, 0o700)
            for name in files:
                os.unlink(os.path.join(parent, name))
            for name in names:
                path = os.path.join(parent, name)
                (os.unlink if os.path.islink(path) else os.rmdir)(path)
        if os.path.isdir(folder):
            os.rmdir(folder)

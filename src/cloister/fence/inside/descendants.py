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
    """Removes folders and all in them; follows no link, and lets another do the same."""
    for folder in folders:
        try:  # noqa: SIM105
            _wipe(folder)
        except FileNotFoundError:
            pass


def _wipe(folder: bytes) -> None:
    os.chmod(folder, 0o700)  # a job may have taken its owner's rights away
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            _wipe(entry.path)
        else:
            os.unlink(entry.path)
    os.rmdir(folder)

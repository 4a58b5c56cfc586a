"""Processes of this machine, by their command lines: what tests start must end with them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RELAY = b"cloister.workflows.far.relay"
_KEYD = b"cloister.app.keyd"
_PATIENCE_S = 30.0


def processes() -> Iterator[tuple[int, bytes]]:
    """Every process that can be looked at, and its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(folder.name), (folder / "cmdline").read_bytes()


def keyds_below(folder: Path) -> list[int]:
    """The key services whose keys lie somewhere in ``folder``."""
    mark = os.fsencode(f"--keys={folder}/")
    return [pid for pid, command in processes() if mark in command]


def end_keyds(folder: Path) -> None:
    """Ends every key service of ``folder``: of a home with three labs, three."""
    doomed = set(keyds_below(folder))
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + _PATIENCE_S
    while not doomed.isdisjoint(keyds_below(folder)) and time.monotonic() < end:
        time.sleep(0.005)


def relays() -> list[int]:
    """What of this interpreter serves other machines, and each ssh that leads to one.

    Of the whole machine: the tests that look at them are of one group, and run one by one.
    """
    ours = os.fsencode(sys.executable), RELAY
    return [pid for pid, command in processes() if all(one in command for one in ours)]


def is_below(pid: int, parent: int) -> bool:
    """Whether a process was begun by another, or by one that this began."""
    while pid > 1 and pid != parent:
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        pid = int(words[1])
    return pid == parent


def left_behind() -> list[int]:
    """Key services of this interpreter whose lab is gone: nobody uses them, nor beside us."""
    ours, place = os.fsencode(sys.executable), os.fsencode(f"{tempfile.gettempdir()}/")
    return [
        pid
        for pid, command in processes()
        if command.startswith(ours) and _KEYD in command
        for word in command.split(b"\0")
        if word.startswith(b"--keys=" + place) and not os.path.exists(word[len(b"--keys=") :])
    ]

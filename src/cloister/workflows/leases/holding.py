"""Who is at work on a run: a lock that its process holds, with that process's name in it.

The kernel drops the lock with the process, however it ends; so whether a job lives is a
question that always has an answer, whoever asks it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloister.core.errors import Conflict
from cloister.core.files import give_back, private_folder, take
from cloister.core.ids import RunId
from cloister.fence.interrupts import ON_RECORD
from cloister.jobs import history
from cloister.workflows.lab import Lab

_LOOKS_S = 1.0


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the lock of a run, as it named itself."""

    pid: int
    began: str
    """In ticks since the machine started (proc(5)): an id is given out again, this is not."""

    def signal(self, number: int) -> bool:
        """Sends a signal to it, and never to another of its id; False if it is gone."""
        try:
            process = os.pidfd_open(self.pid)
        except (ProcessLookupError, PermissionError):
            return False
        try:
            if _began(self.pid) != self.began:
                return False
            signal.pidfd_send_signal(process, number)
        except (ProcessLookupError, PermissionError):
            return False
        finally:
            os.close(process)
        return True


def lock_path(lab: Lab, run: str) -> Path:
    """Where the lock of a run lies: the one that `Lab.alone` takes."""
    return private_folder(lab.folder / "locks") / run


@contextmanager
def held(lab: Lab, run: RunId, lock: int | None = None) -> Iterator[None]:
    """Holds the lock of ``run``, or goes on holding ``lock``, while the block lasts.

    Raises Conflict when another process holds it.
    """
    path = lock_path(lab, run)
    descriptor = take(path) if lock is None else lock
    try:
        name_holder(descriptor)
        yield
    finally:
        give_back(path, descriptor)


def name_holder(descriptor: int) -> None:
    """Writes into a lock who holds it: this process, so that signals find it."""
    os.pwrite(descriptor, f"{os.getpid()} {_began(os.getpid())}\n".encode(), 0)


def holder(lab: Lab, run: str) -> Holder | None:
    """Who said to be at work on ``run``; None where nobody did."""
    try:
        pid, began = lock_path(lab, run).read_text().split()
        return Holder(int(pid), began)
    except (OSError, ValueError):
        return None


@contextmanager
def orphaned(lab: Lab, run: str) -> Iterator[bool]:
    """Whether nobody is at work on ``run``; nobody can begin while the block lasts."""
    try:
        lock = lab.alone(run)
        lock.__enter__()
    except Conflict:
        yield False
        return
    try:
        yield True
    finally:
        lock.__exit__(None, None, None)


@contextmanager
def heeding_stops(lab: Lab, run: RunId, number: int = signal.SIGTERM) -> Iterator[None]:
    """Sends this process ``number`` once somebody asked on record that its job end.

    Who asks sends a signal too, which is quicker, where they are the same user of the
    operating system: this one comes a look later.
    """
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOKS_S):
            job = lab.read(lambda tx: history.find(tx, run))
            if job is not None and job.stopping is not None:
                break
        while not over.wait(_LOOKS_S):
            os.kill(os.getpid(), number)
            if number != ON_RECORD:  # that one is sent until a job hears it, or is over
                break

    thread = threading.Thread(target=look, name="stops", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _began(pid: int) -> str:
    """Field 22 of /proc/PID/stat; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return text.rpartition(")")[2].split()[19]

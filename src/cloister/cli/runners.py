"""The process that jobs are forked from, and what each of them does.

``python -Ps -m cloister.cli.runners LAB SOCKET`` loads what a job needs, and forks a process
for each name of a run that comes through the socket, with the lock that it has to hold. It
has one thread, so a fork of it is whole.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from cloister.app import config as configuration
from cloister.app.platform import opened
from cloister.cli.job_output import show_run
from cloister.cli.output import Output
from cloister.core.errors import CloisterError
from cloister.core.ids import RunId
from cloister.web.door import answer, available
from cloister.workflows.leases.holding import name_holder
from cloister.workflows.queue.perform import perform
from cloister.workflows.queue.service import wake
from cloister.workflows.runs.run import RunReport


class Collected(Output):
    """What a command would say of a run, kept for those who follow it."""

    def __init__(self) -> None:
        super().__init__(as_json=True, quiet=False)
        self.notes: list[str] = []
        self.said: Any = None

    def note(self, text: str) -> None:
        """One line."""
        self.notes.append(text)

    def value(self, value: Any) -> None:
        """The answer for programs."""
        self.said = value


def main() -> None:
    """Until the service that started it is gone."""
    folder, end = Path(sys.argv[1]), int(sys.argv[2])
    channel = socket.socket(fileno=end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the service is for the service
    gc.collect()
    gc.freeze()
    while True:
        name, descriptors, _, _ = socket.recv_fds(channel, 64, 1)
        if not name:
            return
        (lock,) = descriptors
        child = os.fork()
        if child == 0:
            channel.close()
            _leave(folder, RunId.parse(name.decode()), lock)
        os.close(lock)
        os.waitpid(child, 0)


def _leave(folder: Path, run: RunId, lock: int) -> None:
    """In a session of its own, and nobody's child: never returns."""
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    status = 0
    try:
        _begin(folder, run, lock)
    except CloisterError as error:
        status = error.exit_status
        print(f"{run} {error.code}", file=sys.stderr, flush=True)  # noqa: T201 - its log
    except BaseException as error:  # noqa: BLE001 - the outermost: no payload may be shown
        status = 1
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{run} {type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        print(said, file=sys.stderr, flush=True)  # noqa: T201 - its log
    os._exit(status)


def _begin(folder: Path, run: RunId, lock: int) -> None:
    signal.signal(signal.SIGINT, _stopped)
    signal.signal(signal.SIGTERM, _stopped)
    name_holder(lock)
    around = configuration.surroundings()
    config = configuration.load(around, folder)
    with opened(config, around.uid) as found:
        lab = replace(found.lab, doorkeeper=answer if available() else None)
        try:
            perform(lab, run, lock, _told)
        finally:
            wake(lab)


def _told(report: RunReport) -> dict[str, Any]:
    collected = Collected()
    show_run(collected, report)
    return {"notes": collected.notes, "value": collected.said}


def _stopped(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()

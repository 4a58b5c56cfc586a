"""The process that jobs are forked from, and what each of them does.

``python -Ps -m cloister.cli.runners LAB SOCKET`` loads what a job needs, and forks a process
for each name that comes through the socket: of a run, with the lock that it has to hold; or of
what is to be done with a pipeline, with a socket that says which. It has one thread, so a fork
of it is whole.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
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
from cloister.workflows.lab import Lab
from cloister.workflows.leases.holding import name_holder
from cloister.workflows.pipelines import begin
from cloister.workflows.pipelines.begin import DUE, FLOW
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
        (descriptor,) = descriptors
        child = os.fork()
        if child == 0:
            channel.close()
            _leave(folder, name.decode(), descriptor)
        os.close(descriptor)
        os.waitpid(child, 0)


def _leave(folder: Path, name: str, descriptor: int) -> None:
    """In a session of its own, and nobody's child: never returns."""
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    status = 0
    try:
        _begin(folder, name, descriptor)
    except CloisterError as error:
        status = error.exit_status
        print(f"{name} {error.code}", file=sys.stderr, flush=True)  # noqa: T201 - its log
    except BaseException as error:  # noqa: BLE001 - the outermost: no payload may be shown
        status = 1
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{name} {type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        print(said, file=sys.stderr, flush=True)  # noqa: T201 - its log
    os._exit(status)


def _begin(folder: Path, name: str, descriptor: int) -> None:
    signal.signal(signal.SIGINT, _stopped)
    signal.signal(signal.SIGTERM, _stopped)
    around = configuration.surroundings()
    config = configuration.load(around, folder)
    with opened(config, around.uid) as found:
        lab = replace(found.lab, doorkeeper=answer if available() else None)
        try:
            if name in {FLOW, DUE}:
                _pipeline(lab, name, descriptor, around.environment)
            else:
                name_holder(descriptor)
                perform(lab, RunId.parse(name), descriptor, _told, around.environment)
        finally:
            wake(lab)


def _pipeline(lab: Lab, name: str, end: int, environment: Mapping[str, str]) -> None:
    with socket.socket(fileno=end) as asker:
        pieces = iter(lambda: asker.recv(1 << 16), b"")

        def say(words: bytes) -> None:
            with suppress(OSError):  # whoever asked has gone
                asker.sendall(words)

        begin.perform(lab, name, b"".join(pieces), environment, say)


def _told(report: RunReport) -> dict[str, Any]:
    collected = Collected()
    show_run(collected, report)
    return {"notes": collected.notes, "value": collected.said}


def _stopped(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()

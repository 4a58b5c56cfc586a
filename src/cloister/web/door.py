"""The door in the fence: a job's own way to the tracking server, in the runner's process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cloister.core.errors import DurabilityLost
from cloister.core.ids import RunId
from cloister.workflows.lab import Lab
from cloister.workflows.tracking.visit import Visit, of_job

if TYPE_CHECKING:
    from cloister.serving import HttpServer

_NEEDED = ("httptools", "starlette", "uvicorn", "uvloop")


def available() -> bool:
    """Whether the extra ``up`` is installed, without loading it."""
    return all(find_spec(name) is not None for name in _NEEDED)


def answer(lab: Lab, run: RunId, listener: int) -> Callable[[], None]:
    """Answers the job of ``run`` at ``listener`` in a thread; gives what ends that.

    Whoever connects is that job: the socket is in a network that nothing else is in. No header
    and no field of a request says otherwise.
    """
    server = JobServer(of_job(lab, run), socket.socket(fileno=listener))
    server.start()
    return server.end


class JobServer:
    """Answers one job, until it is told to end."""

    def __init__(self, visit: Visit, listener: socket.socket) -> None:
        self._visit = visit
        self._listener = listener
        self._made: HttpServer | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="door", daemon=True)

    def start(self) -> None:
        """Returns at once: what it takes is loaded beside the job."""
        self._thread.start()

    def end(self) -> None:
        """Waits for what is under way."""
        self._over.set()
        if self._made is not None:
            self._made.stop()
        self._thread.join()

    def _run(self) -> None:
        from cloister.serving import HttpServer
        from cloister.web.app import WebApp
        from cloister.web.limits import OF_A_JOB

        limits = replace(OF_A_JOB, total_bytes=self._visit.lab.tracking.job_bytes)
        self._made = HttpServer(WebApp(lambda _: self._visit, limits=limits))
        if self._over.is_set():
            self._made.stop()
        try:
            self._made.answer(self._listener)
        except DurabilityLost:
            return  # the run cannot be put on record either, and says so

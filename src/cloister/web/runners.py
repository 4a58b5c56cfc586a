"""Starts the processes of jobs and pipelines: forked from one that has everything loaded.

A runner is in a session of its own and is nobody's child: it goes on when this service is
killed. The process that it is forked from ends with the service.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from cloister.core.errors import Conflict
from cloister.core.ids import RunId
from cloister.workflows.lab import Lab

_MODULE = "cloister.cli.runners"


class Nursery:
    """The process that runners are forked from, begun again where it is gone.

    Any thread may ask it.
    """

    def __init__(self, lab: Lab, log: Path) -> None:
        self._folder = lab.folder
        self._log = log
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()

    def start(self, run: RunId, lock: int) -> None:
        """A process that performs ``run`` and holds ``lock`` until it ends; returns at once.

        Where none can be made the lock is let go, and the run waits again.
        """
        self._send(run, lock)

    def ask(self, name: str, asked: bytes, /, wait_s: float) -> bytes | None:
        """A process that does ``name`` with ``asked``; its first words, or None where it says
        nothing for ``wait_s``. Raises Conflict where none can be made."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                if not self._send(name, theirs.fileno()):
                    raise Conflict("no process could be begun for it", hint="try again")
            ours.settimeout(wait_s)
            try:
                ours.sendall(asked)
                ours.shutdown(socket.SHUT_WR)
                return ours.recv(1 << 16) or None
            except OSError:
                return None

    def _send(self, name: str, descriptor: int) -> bool:
        with self._lock:
            for _ in range(2):
                channel = self.ready()
                try:
                    socket.send_fds(channel, [name.encode()], [descriptor])
                except OSError:
                    self.close()
                else:
                    return True
        return False

    def ready(self) -> socket.socket:
        """Its line, after it was started where it was not."""
        with self._lock:
            return self._ready()

    def _ready(self) -> socket.socket:
        if self._channel is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            said = os.open(self._log, flags, 0o600)
            command = [sys.executable, "-Ps", "-m", _MODULE]
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [*command, str(self._folder), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    pass_fds=(theirs.fileno(),),
                    cwd="/",
                    start_new_session=True,
                )
            finally:
                os.close(said)
                theirs.close()
            self._channel = ours
        return self._channel

    def close(self) -> None:
        """Lets it end; runners go on."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
                self._channel = None
            if self._process is not None:
                self._process.wait()
                self._process = None

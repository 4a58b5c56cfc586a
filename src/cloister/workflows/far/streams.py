"""Connections of a job to its door: numbered, carried over the line, answered at its end."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cloister.core.errors import Tampered
from cloister.workflows.far.carrier import DOOR, PIECE, Carrier
from cloister.workflows.far.sealed import Gone

MOST = 64
"""Connections at a time."""


class Streams:
    """Both ends' part of it: a socket for each number, and a thread for each direction."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._open: dict[int, _Stream] = {}
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many are open."""
        with self._lock:
            self._open = {n: one for n, one in self._open.items() if not one.is_over}
            return len(self._open)

    def begin(
        self, number: int, connection: socket.socket, first: Mapping[str, Any] | None = None
    ) -> None:
        """Tells ``first``; then carries what is read there, and writes what comes.

        Raises Tampered for a number in use.
        """
        if number in self._open:
            raise Tampered("a stream begins that has begun")
        made = _Stream(number, connection, self._carrier)
        with self._lock:
            self._open[number] = made
        if first is not None:
            self._carrier.tell(first)
        made.begin()

    def heed(self, told: Mapping[str, Any]) -> bool:
        """Takes in what is of a stream; False for any other message. Never waits."""
        if told["do"] not in {"through", "shut"}:
            return False
        found = self._open.get(told["stream"])
        if found is not None:
            found.came.put(told if told["do"] == "through" else None)
        elif told["do"] == "through":
            self._carrier.took(DOOR, told)
        return True

    def end(self) -> None:
        """Hangs up all of them."""
        for one in list(self._open.values()):
            one.end()


class _Stream:
    def __init__(self, number: int, connection: socket.socket, carrier: Carrier) -> None:
        self.came: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self._number, self._connection, self._carrier = number, connection, carrier
        self._threads = [
            threading.Thread(target=one, name=f"stream-{number}", daemon=True)
            for one in (self._read, self._write)
        ]
        self._left = 2
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        return self._left == 0

    def begin(self) -> None:
        for one in self._threads:
            one.start()

    def end(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self.came.put(None)

    def _read(self) -> None:
        with suppress(OSError, Gone):
            while content := self._connection.recv(PIECE):
                told = {"do": "through", "stream": self._number, "content": content}
                self._carrier.send(DOOR, told)
        self._carrier.tell({"do": "shut", "stream": self._number})
        self._leave()

    def _write(self) -> None:
        while (told := self.came.get()) is not None:
            with suppress(OSError):  # who hung up is told no more
                self._connection.sendall(told["content"])
            self._carrier.took(DOOR, told)
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._connection.close()

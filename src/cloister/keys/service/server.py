"""The socket: one thread a connection, bounded, and nothing a peer sends can end it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from cloister.core.errors import BadInput, CloisterError, Conflict
from cloister.keys import wire
from cloister.keys.service.service import Service

_CONNECTIONS = 128
_STACK_BYTES = 512 << 10
_SWEEP_S = 10.0
_STALL_S = 60.0
_LAST_ANSWERS_S = 10.0


class Server:
    """Listens until the service is told to stop."""

    def __init__(self, service: Service, path: Path, *, shared: bool = False) -> None:
        self._service = service
        self._path = path
        self._shared = shared
        """Whether the group of the socket's folder may reach it, too."""
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        self._answering = 0
        self._answered = threading.Condition()

    def bind(self) -> socket.socket:
        """The listening socket, 0600 in a folder of mode 0700; else raises Conflict.

        A shared one is 0660 in a folder of mode 0750, both of one group. Raises BadInput where
        something that is no socket has its name.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._path.parent.stat()
        if found.st_uid != os.geteuid() or found.st_mode & (0o027 if self._shared else 0o077):
            mode = "0750" if self._shared else "0700"
            raise Conflict(f"the runtime folder must be this user's own, mode {mode}")
        if self._path.is_socket():  # a dead one: whoever holds the keys folder owns the name
            self._path.unlink()
        elif self._path.exists():
            raise BadInput("a file that is no socket lies where the key service would listen")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            with wire.reachable(self._path) as name:
                listener.bind(name)
        finally:
            os.umask(before)
        if self._shared:
            os.chown(self._path, -1, found.st_gid)
            self._path.chmod(0o660)
        listener.listen(_CONNECTIONS)
        return listener

    def run(self, listener: socket.socket) -> None:
        """Answers until stopped; whatever was asked before that gets its answer."""
        threading.stack_size(_STACK_BYTES)
        threading.Thread(target=self._sweep, daemon=True).start()
        listener.settimeout(0.2)
        while not self._service.stopping.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:  # out of descriptors: whoever holds them will let go
                self._service.stopping.wait(0.1)
                continue
            self._admit(connection)
        with self._answered:
            self._answered.wait_for(lambda: self._answering == 0, _LAST_ANSWERS_S)
        self._path.unlink(missing_ok=True)
        listener.close()

    def _admit(self, connection: socket.socket) -> None:
        if not self._places.acquire(blocking=False):
            connection.close()
            return
        try:
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except RuntimeError:  # no more threads to be had
            connection.close()
            self._places.release()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError, CloisterError, wire.Hangup):
                uid = wire.peer_uid(connection)
                if refusal := self._service.refusal(uid):
                    _turn_away(connection, refusal)
                    return
                while not self._service.stopping.is_set() and self._exchange(connection, uid):
                    pass
        finally:
            self._places.release()

    def _exchange(self, connection: socket.socket, uid: int) -> bool:
        """One request and its reply; False when the stream cannot be trusted any further."""
        try:
            connection.settimeout(None)
            request = wire.receive(connection, _STALL_S)
        except BadInput as error:
            _turn_away(connection, wire.failure(error))
            return False
        with self._counted():
            # Still under the stall: a peer may stop reading, too.
            _reply(connection, self._answer(request, uid))
        return True

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """One more answer to wait for before the end."""
        with self._answered:
            self._answering += 1
        try:
            yield
        finally:
            with self._answered:
                self._answering -= 1
                self._answered.notify_all()

    def _answer(self, request: dict[str, object], uid: int) -> dict[str, object]:
        try:
            return self._service.answer(request, uid)
        except Exception as error:  # noqa: BLE001 - the process's outermost loop: it must go on
            # The type alone: a message could quote what must not be written down.
            sys.stderr.write(f"cloister-keyd: internal error: {type(error).__name__}\n")
            return wire.failure(CloisterError("the key service failed inside; see its log"))

    def _sweep(self) -> None:
        while not self._service.stopping.wait(_SWEEP_S):
            self._service.sweep()


def _reply(connection: socket.socket, reply: dict[str, object]) -> None:
    try:
        wire.send(connection, reply)
    except BadInput as error:  # more than a message can hold
        wire.send(connection, wire.failure(error))


def _turn_away(connection: socket.socket, refusal: dict[str, object]) -> None:
    """Says why, and looks at nothing the peer sends."""
    connection.settimeout(1.0)
    wire.send(connection, {**refusal, "closing": True})
    connection.shutdown(socket.SHUT_WR)
    for _ in range(8):  # closing with unread bytes would take the reply away from it again
        if not connection.recv(1 << 16):
            return

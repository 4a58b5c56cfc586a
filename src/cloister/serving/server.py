"""Runs an application over HTTPS until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import sys
import threading
from asyncio import TimerHandle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cloister.core.errors import BadInput
from cloister.serving._joining import JoinedTransport
from cloister.serving.health import Health
from cloister.serving.tls import ServerIdentity, load_identity, tls_context

_LARGEST_HEAD = 65536
_UNREAD_TIMEOUT_MS = 30_000
_GRACE_S = 5
_CROWD = 2
"""Times what is taken on, connections are told so; beyond, they are dropped."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 lets the host choose."""

    host: str = "127.0.0.1"
    port: int = 0


class Bounds(Protocol):
    """What a server takes on."""

    @property
    def connections(self) -> int:
        """At once."""

    @property
    def header_timeout_s(self) -> float:
        """How long a client may take to say what it wants."""


class Application(Protocol):
    """An ASGI application that can be served."""

    health: Health

    @property
    def limits(self) -> Bounds:
        """Of the server around it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""

    def close(self) -> None:
        """Waits for what is under way; may be called twice."""


class HttpServer:
    """One server, run once, on a socket that listens; `stop` may be called from any thread.

    In the clear unless it is given a context: for a network that nobody else is on.
    """

    def __init__(self, app: Application, context: ssl.SSLContext | None = None) -> None:
        self._app = app
        self._context = context
        self._server: _Server | None = None
        self._stopped = threading.Event()

    def answer(
        self, listener: socket.socket, on_bound: Callable[[int], None] = lambda _: None
    ) -> None:
        """Serves until SIGINT, SIGTERM or `stop`; returns once all is closed.

        ``on_bound`` gets the port as soon as connections are accepted. Raises DurabilityLost
        if the record broke while serving.
        """
        with listener:
            config = _config(self._app)
            config.load()
            config.ssl = self._context
            port = listener.getsockname()[1]
            self._server = _Server(
                config,
                lambda: self._started(on_bound, port),
                self._app.health.on_ending,
            )
            self._app.health.on_failure = self.stop
            try:
                self._server.run(sockets=[listener])
            finally:
                self._app.close()
        if self._app.health.failure is not None:
            raise self._app.health.failure

    def _started(self, on_bound: Callable[[int], None], port: int) -> None:
        on_bound(port)
        if self._stopped.is_set():
            self.stop()

    def stop(self) -> None:
        """Lets answers under way finish, then ends `run`."""
        self._stopped.set()
        if self._server is not None:
            self._server.should_exit = True


class HttpsServer(HttpServer):
    """One server of an address of its own, over TLS."""

    def __init__(self, app: Application, address: Address, identity: ServerIdentity) -> None:
        self._tls = tls_context(identity)
        super().__init__(app, self._tls)
        self._address = address

    def run(self, on_bound: Callable[[int], None]) -> None:
        """As `answer`; raises BadInput if the address cannot be had."""
        self.answer(_listen(self._address), on_bound)

    def show(self, identity: ServerIdentity) -> None:
        """Shows another certificate to those who connect from now on; from any thread."""
        load_identity(self._tls, identity)


def serve(
    app: Application,
    address: Address,
    identity: ServerIdentity,
    on_bound: Callable[[int], None],
) -> None:
    """Serves ``app`` until SIGINT or SIGTERM; see `HttpsServer.run`."""
    HttpsServer(app, address, identity).run(on_bound)


def _listen(address: Address) -> socket.socket:
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((address.host, address.port), family=family)
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"cannot listen on {address.host} port {address.port}: {error}",
            hint="choose another port, or 0 for any free one",
        ) from error
    # Inherited by connections: a client that never reads its answer is dropped.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_TIMEOUT_MS)
    return listener


def _config(app: Application) -> uvicorn.Config:
    protocol = type(
        "_LimitedProtocol", (_Protocol,), {"header_timeout_s": app.limits.header_timeout_s}
    )
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=app.limits.connections,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_GRACE_S,
    )


class _Server(uvicorn.Server):
    """Tells when it listens, and does not raise a signal again that it has answered."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_started: Callable[[], None],
        on_ending: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_ending = on_ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As before, then says so."""
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Says so first: what is under way is then waited for."""
        self._on_ending()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the server, not the process around it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Protocol(HttpToolsProtocol):
    """Drops clients that take too long, or too many bytes, to say what they want."""

    header_timeout_s: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._deadline: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came; its first request is due soon."""
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", JoinedTransport(transport, self.loop))
        self._expect_head()
        if len(self.connections) > _CROWD * (self.limit_concurrency or sys.maxsize):
            self.transport.abort()  # descriptors are for others too

    def connection_lost(self, exc: Exception | None) -> None:
        """It went."""
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came; those of a request's head are counted."""
        super().data_received(data)
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > _LARGEST_HEAD:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is complete; the application watches over its body."""
        self._head_arrived()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_arrived()
        self._head_bytes = 0
        self._deadline = self.loop.call_later(self.header_timeout_s, self.transport.abort)

    def _head_arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

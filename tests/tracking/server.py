"""The real application on a loopback port, for clients that nobody has changed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from cloister.web.app import WebApp
from cloister.web.credentials import Doorkeeper, presented_token
from cloister.web.limits import Limits
from cloister.workflows.tracking.visit import Visit
from tests.tracking.lab import TrackingLab

TOKEN = "clo_a-token-for-tests"


def keeper(visit: Visit) -> Doorkeeper:
    """Lets one token in."""
    return lambda headers: visit if presented_token(headers) == TOKEN else None


@contextmanager
def serving(
    lab: TrackingLab,
    fenced: str | None = None,
    port: int = 0,
    *projects: str,
    limits: Limits | None = None,
) -> Iterator[str]:
    """The address of a server of ``lab``, as long as the block lasts."""
    app = WebApp(keeper(lab.visit("engineer", fenced, *projects)), limits=limits)
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits
    config = uvicorn.Config(app, log_level="error", access_log=False)
    server = uvicorn.Server(config)

    def run() -> Any:
        asyncio.run(server.serve(sockets=[listener]))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        app.close()
        listener.close()

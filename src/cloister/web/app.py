"""Everything a lab answers over HTTP: MLflow's interface, the console's, and pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from cloister.serving.health import Health
from cloister.web import openapi
from cloister.web.console import api, static
from cloister.web.console.api import Counter
from cloister.web.console.calls import PREFIX
from cloister.web.console.live import Watch
from cloister.web.credentials import Doorkeeper
from cloister.web.limits import Limits
from cloister.web.mlflow.server import MlflowApp
from cloister.web.people.desk import Desk
from cloister.web.people.routes import routes

_MARKS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""Headers of every answer that does not say otherwise."""


class WebApp:
    """An ASGI application; every answer but the open ones needs a caller we know.

    Without a ``desk`` it has no pages: nobody logs in there.
    """

    def __init__(
        self,
        doorkeeper: Doorkeeper,
        desk: Desk | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.health = Health()
        self._threads = ThreadPoolExecutor(self.limits.threads, "web")
        self._streams = ThreadPoolExecutor(self.limits.streams, "stream")
        self.mlflow = MlflowApp(
            doorkeeper, self._threads, self.limits, self.health.fail, streams=self._streams
        )
        self._desk = desk
        pages = [] if desk is None else self._routes(desk, doorkeeper)
        self._api = PREFIX + "/" if desk else None
        self._pages = Starlette(routes=pages, lifespan=self._lifespan)
        self._pages.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                said = {name for name, _ in headers}
                message["headers"] = [*headers, *(one for one in _MARKS if one[0] not in said)]
            await send(message)

        path = scope["path"]
        ours = self._api is not None and path.startswith(self._api)
        answers = self.mlflow if self.mlflow.owns(path) and not ours else self._pages
        await answers(scope, receive, marked)

    def _routes(self, desk: Desk, doorkeeper: Doorkeeper) -> list[BaseRoute]:
        fail = self.health.fail
        watch = Watch(desk.lab)
        self.health.on_ending = watch.close
        threads, streams = self._threads, self._streams
        counter = Counter(desk, doorkeeper, threads, streams, self.limits, fail, watch)
        return [
            *api.routes(counter),
            *routes(desk, self._threads, fail),
            openapi.ROUTE,
            *static.routes(desk, threads),
        ]

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        self.close()

    def close(self) -> None:
        """Waits for what is under way, and ends the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._streams.shutdown(wait=True, cancel_futures=True)
        if self._desk is not None:
            self._desk.close()

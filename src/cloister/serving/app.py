"""The Open Inference Protocol 2 over HTTP, for one model.

Nothing of a request is logged or sent back in an error. Every answer but the two health probes
needs a bearer token, and no prediction leaves before it is on record.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from cloister.core.ids import Randomness
from cloister.core.values import Actor
from cloister.serving.health import Health
from cloister.serving.inference import Inference
from cloister.serving.predict import Predictor
from cloister.serving.replies import say, say_nothing, unauthorized
from cloister.serving.routes import routes_for
from cloister.serving.session import LoadedModel
from cloister.serving.values import Limits, Recorder, TokenCheck

_OPEN = frozenset({"/v2/health/live", "/v2/health/ready"})


class InferenceApp:
    """An ASGI application; build one with `build_app`, run it with `serve`."""

    def __init__(self, model: LoadedModel, predictor: Predictor, tokens: TokenCheck) -> None:
        self.model = model
        self.limits = predictor.limits
        self.health = Health()
        self.statuses: Counter[int] = Counter()
        """How many answers of each HTTP status left."""
        self._tokens = tokens
        self._inference = Inference(predictor, self.health)
        self._routes = Starlette(
            routes=routes_for(model, self._inference, self.health),
            exception_handlers={HTTPException: say, Exception: say_nothing},
            lifespan=self._lifespan,
        )
        self._routes.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            await self._routes(scope, receive, send)
            return
        headers = Headers(scope=scope)
        actor = self._actor(headers)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[message["status"]] += 1
                self._mark(MutableHeaders(scope=message), actor)
            await send(message)

        if scope["path"] not in _OPEN:
            if actor is None:
                await unauthorized(headers)(scope, receive, marked)
                return
            scope["cloister.actor"] = actor
        await self._routes(scope, receive, marked)

    def _actor(self, headers: Headers) -> Actor | None:
        presented = headers.getlist("authorization")
        scheme, _, token = presented[0].partition(" ") if len(presented) == 1 else ("", "", "")
        return self._tokens(token.strip()) if scheme.lower() == "bearer" and token else None

    def _mark(self, headers: MutableHeaders, actor: Actor | None) -> None:
        headers["cache-control"] = "no-store"
        headers["x-content-type-options"] = "nosniff"
        if actor is None:
            return
        headers["cloister-model-sha256"] = self.model.verified.sha256
        if self.model.served.watermark is not None:
            headers["cloister-watermark"] = self.model.served.watermark

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        self.close()

    def close(self) -> None:
        """Waits for predictions under way and ends the threads."""
        self._inference.close()


def build_app(
    model: LoadedModel,
    record: Recorder,
    tokens: TokenCheck,
    *,
    limits: Limits | None = None,
    randomness: Randomness = secrets.token_bytes,
) -> InferenceApp:
    """The application that answers for ``model``, recording each answer before it leaves."""
    predictor = Predictor(model, record, randomness, limits or Limits())
    return InferenceApp(model, predictor, tokens)

"""The Open Inference Protocol 2 over HTTP, for one model.

Nothing of a request is logged or sent back in an error. Every answer but the two health probes
needs a bearer token, and no prediction leaves before it is on record.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from cloister import __version__
from cloister.core.errors import BadInput, Denied, DurabilityLost, Erased, NotFound
from cloister.core.ids import Randomness
from cloister.core.values import Actor
from cloister.serving.admission import Admission, Busy, Reservation
from cloister.serving.predict import Answer, Predictor, Unrecorded
from cloister.serving.session import LoadedModel, Patience
from cloister.serving.tensors import Port
from cloister.serving.values import Limits, Recorder, TokenCheck

_log = logging.getLogger("cloister.serving")
_OPEN = frozenset({"/v2/health/live", "/v2/health/ready"})
_JSON_SIZE = "inference-header-content-length"
_TYPES = frozenset({"", "application/json", "application/octet-stream"})
_DISCARDED_BYTES = 65536  # an unread body up to this size is drained, not cut off


class InferenceApp:
    """An ASGI application; build one with `build_app`, run it with `serve`."""

    def __init__(self, model: LoadedModel, predictor: Predictor, tokens: TokenCheck) -> None:
        self.model = model
        self.limits = predictor.limits
        self.failure: DurabilityLost | None = None
        """Why the server must stop; answers are refused from then on."""
        self.on_failure: Callable[[], None] = _nothing
        self.statuses: Counter[int] = Counter()
        """How many answers of each HTTP status left."""
        self._tokens = tokens
        self._inference = _Inference(self, predictor)
        self._routes = Starlette(
            routes=_routes(self, self._inference),
            exception_handlers={HTTPException: _say, Exception: _say_nothing},
            lifespan=self._lifespan,
        )
        self._routes.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            await self._routes(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[message["status"]] += 1
                self._mark(MutableHeaders(scope=message))
            await send(message)

        if scope["path"] not in _OPEN:
            headers = Headers(scope=scope)
            actor = self._actor(headers)
            if actor is None:
                await _unauthorized(headers)(scope, receive, marked)
                return
            scope["cloister.actor"] = actor
        await self._routes(scope, receive, marked)

    def _actor(self, headers: Headers) -> Actor | None:
        presented = headers.getlist("authorization")
        scheme, _, token = presented[0].partition(" ") if len(presented) == 1 else ("", "", "")
        return self._tokens(token.strip()) if scheme.lower() == "bearer" and token else None

    def _mark(self, headers: MutableHeaders) -> None:
        headers["cache-control"] = "no-store"
        headers["x-content-type-options"] = "nosniff"
        headers["cloister-model-sha256"] = self.model.verified.sha256
        if self.model.served.watermark is not None:
            headers["cloister-watermark"] = self.model.served.watermark

    def fail(self, failure: DurabilityLost) -> None:
        """Answers nothing more and asks whoever runs the server to end it."""
        self.failure = failure
        self.on_failure()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        self.close()

    def close(self) -> None:
        """Waits for predictions under way and ends the threads."""
        self._inference.pool.shutdown(wait=True, cancel_futures=True)


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


class _Inference:
    """Takes predictions in and runs them on a few threads, which share one commit."""

    def __init__(self, app: InferenceApp, predictor: Predictor) -> None:
        self.app = app
        self.predictor = predictor
        self.limits = predictor.limits
        self.admission = Admission(self.limits, time.monotonic)
        self.pool = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="predict")

    async def __call__(self, request: Request) -> Response:
        _check_address(request, self.app.model)
        if self.app.failure is not None:
            raise _unavailable("this server has stopped recording, so it answers nothing")
        try:
            with self.admission.entered() as reservation:
                return await self._answer(request, reservation)
        except Busy:
            raise HTTPException(
                429, "too many predictions at once", {"retry-after": "1", "connection": "close"}
            ) from None
        except BadInput as error:
            raise HTTPException(400, error.message) from error
        except ClientDisconnect:
            return Response(status_code=400)

    async def _answer(self, request: Request, reservation: Reservation) -> Response:
        json_size = _json_size(request)
        body = await self._body(request, reservation)
        actor: Actor = request.scope["cloister.actor"]
        loop, patience = asyncio.get_running_loop(), Patience()
        deadline = loop.call_later(self.limits.answer_timeout_s, patience.end)
        try:
            answer = await loop.run_in_executor(
                self.pool, self.predictor.answer, body, json_size, actor, patience
            )
        except Unrecorded as error:
            raise self._unrecorded(error.__cause__) from error
        finally:
            deadline.cancel()
            patience.end()  # also where the server stops first: the thread must not outlive it
        return _response(answer)

    def _unrecorded(self, cause: BaseException | None) -> HTTPException:
        """What the caller hears when the record said no; the cause itself stays here."""
        if isinstance(cause, Denied):
            return HTTPException(403, "this token may not ask for predictions")
        if isinstance(cause, NotFound | Erased):
            return HTTPException(404, "the subject is not known here")
        _log.error("a prediction was not recorded: %s", type(cause).__name__)
        if isinstance(cause, DurabilityLost):
            self.app.fail(cause)
        return _unavailable("the prediction could not be recorded, so none is given")

    async def _body(self, request: Request, reservation: Reservation) -> bytes:
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self.limits.body_bytes:
            raise self._too_large()
        chunks = []
        try:
            async with asyncio.timeout(self.limits.body_timeout_s):
                async for chunk in request.stream():
                    reservation.grow(len(chunk))
                    if reservation.size_bytes > self.limits.body_bytes:
                        raise self._too_large()
                    chunks.append(chunk)
        except TimeoutError:
            raise HTTPException(
                408, "the request did not arrive in time", {"connection": "close"}
            ) from None
        return b"".join(chunks)

    def _too_large(self) -> HTTPException:
        text = f"the request is larger than {self.limits.body_bytes} bytes"
        return HTTPException(413, text, {"connection": "close"})


def _routes(app: InferenceApp, inference: _Inference) -> list[Route]:
    model = app.model

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> Response:
        fine = app.failure is None
        return JSONResponse({"live": True, "ready": fine}, 200 if fine else 503)

    async def server(_: Request) -> Response:
        extensions = ["binary_tensor_data"]
        return JSONResponse(
            {"name": "cloister", "version": __version__, "extensions": extensions}
        )

    async def metadata(request: Request) -> Response:
        _check_address(request, model)
        return JSONResponse(_metadata(model))

    async def model_ready(request: Request) -> Response:
        _check_address(request, model)
        fine = app.failure is None
        return JSONResponse({"name": model.served.name, "ready": fine}, 200 if fine else 503)

    routes = [Route("/v2", server), Route("/v2/", server)]
    routes += [Route("/v2/health/live", live), Route("/v2/health/ready", ready)]
    for address in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [
            Route(address, metadata),
            Route(f"{address}/ready", model_ready),
            Route(f"{address}/infer", inference.__call__, methods=["POST"]),
        ]
    return routes


def _metadata(model: LoadedModel) -> dict[str, object]:
    def tensor(port: Port) -> dict[str, object]:
        return {"name": port.spec.name, "datatype": port.datatype.name, "shape": port.shape}

    return {
        "name": model.served.name,
        "versions": [model.served.version],
        "platform": "onnx_onnxv1",
        "inputs": [tensor(port) for port in model.inputs],
        "outputs": [tensor(port) for port in model.outputs],
    }


def _check_address(request: Request, model: LoadedModel) -> None:
    asked = request.path_params
    if asked["model"] != model.served.name:
        raise HTTPException(404, "no such model on this server")
    if asked.get("version", model.served.version) != model.served.version:
        raise HTTPException(404, "no such version of this model")


def _json_size(request: Request) -> int | None:
    """How much of the body is JSON; refuses bodies that the protocol does not have."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES:
        raise HTTPException(415, "send application/json or application/octet-stream")
    # Decompressing would let a small request become a large one.
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "compressed requests are not accepted")
    size = request.headers.get(_JSON_SIZE)
    if size is None:
        return None
    if not (size.isascii() and size.isdecimal() and len(size) < 12):
        raise BadInput("Inference-Header-Content-Length is not a number of bytes")
    return int(size)


def _response(answer: Answer) -> Response:
    headers = {"cloister-ledger-index": str(answer.ledger_index)}
    if answer.json_size is None:
        return Response(answer.body, 200, headers, "application/json")
    headers[_JSON_SIZE] = str(answer.json_size)
    return Response(answer.body, 200, headers, "application/octet-stream")


def _unauthorized(headers: Headers) -> Response:
    extra = {"www-authenticate": "Bearer"}
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > _DISCARDED_BYTES:
        extra["connection"] = "close"
    return JSONResponse({"error": "a valid bearer token is needed"}, 401, extra)


def _unavailable(text: str) -> HTTPException:
    return HTTPException(503, text, {"retry-after": "1"})


async def _say(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _say_nothing(_: Request, error: Exception) -> Response:
    """A fault of ours: its place is logged, never its words, which may quote the request."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "unknown"
    _log.error("unexpected %s at %s", type(error).__name__, where)
    return JSONResponse({"error": "internal error"}, 500)


def _nothing() -> None:
    """No server to stop yet."""

"""Takes predictions in: bounds what comes, runs it on a few threads, tells what went wrong."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cloister.core.errors import BadInput, Denied, DurabilityLost, Erased, NotFound
from cloister.core.values import Actor
from cloister.serving.admission import Admission, Busy, Reservation
from cloister.serving.health import Health
from cloister.serving.predict import Predictor, Unrecorded
from cloister.serving.replies import JSON_SIZE, predicted, refused_unread, unavailable
from cloister.serving.session import Patience

_log = logging.getLogger("cloister.serving")
_TYPES = frozenset({"", "application/json", "application/octet-stream"})


class Inference:
    """Takes predictions in and runs them on a few threads, which share one commit."""

    def __init__(self, predictor: Predictor, health: Health) -> None:
        self.health = health
        self.predictor = predictor
        self.limits = predictor.limits
        self.admission = Admission(self.limits, time.monotonic)
        self.pool = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="predict")

    async def __call__(self, request: Request) -> Response:
        """The answer to one request, already on record."""
        if not self.health.good:
            raise unavailable("this server has stopped recording, so it answers nothing")
        try:
            with self.admission.entered() as reservation:
                return await self._answer(request, reservation)
        except Busy:
            raise refused_unread(429, "too many predictions at once") from None
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
        return predicted(answer)

    def _unrecorded(self, cause: BaseException | None) -> HTTPException:
        """What the caller hears when the record said no; the cause itself stays here."""
        if isinstance(cause, Denied):
            return HTTPException(403, "this token may not ask for predictions")
        if isinstance(cause, NotFound | Erased):
            return HTTPException(404, "the subject is not known here")
        _log.error("a prediction was not recorded: %s", type(cause).__name__)
        if isinstance(cause, DurabilityLost):
            self.health.fail(cause)
        return unavailable("the prediction could not be recorded, so none is given")

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
            raise refused_unread(408, "the request did not arrive in time") from None
        return b"".join(chunks)

    def _too_large(self) -> HTTPException:
        return refused_unread(413, f"the request is larger than {self.limits.body_bytes} bytes")

    def close(self) -> None:
        """Waits for predictions under way and ends the threads."""
        self.pool.shutdown(wait=True, cancel_futures=True)


def _json_size(request: Request) -> int | None:
    """How much of the body is JSON; refuses bodies that the protocol does not have."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES:
        raise HTTPException(415, "send application/json or application/octet-stream")
    # Decompressing would let a small request become a large one.
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "compressed requests are not accepted")
    size = request.headers.get(JSON_SIZE)
    if size is None:
        return None
    if not (size.isascii() and size.isdecimal() and len(size) < 12):
        raise BadInput("Inference-Header-Content-Length is not a number of bytes")
    return int(size)

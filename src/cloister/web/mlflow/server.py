"""The interface as an ASGI application: bounds what comes, asks who it is, answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send

from cloister.core.errors import DurabilityLost
from cloister.web.credentials import Doorkeeper
from cloister.web.limits import Full, Limits, Quota, Room, Share
from cloister.web.mlflow import surface
from cloister.web.mlflow.about import Text
from cloister.web.mlflow.codec import Message, encode
from cloister.web.mlflow.endpoint import Call, Deferred, Endpoint, Protobuf, Streamed
from cloister.web.mlflow.errors import Refusal, refusal_of
from cloister.web.mlflow.gathering import Gatherer
from cloister.web.mlflow.routing import PREFIXES, Found, Table
from cloister.web.mlflow.streams import ClientGone, Incoming, pour
from cloister.workflows.tracking.together import record_each
from cloister.workflows.tracking.visit import Visit

T = TypeVar("T")
_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_PROTOBUF = (b"content-type", b"application/x-protobuf")
_OWN = (*(f"{prefix}/" for prefix in PREFIXES), "/v1/traces", "/health", "/version")
_UNREAD = 64 << 10


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    kind: tuple[bytes, bytes] = _JSON
    close: bool = False
    """The request was not read to its end, so the connection cannot be used again."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A small request, all of it here; nothing of it has been looked at."""

    scope: Scope
    headers: Headers
    body: bytes


_NOTHING = _Answer(200, encode({}))


class MlflowApp:
    """Answers MLflow's clients; what a caller may is decided by the workflows it calls."""

    def __init__(
        self,
        doorkeeper: Doorkeeper,
        executor: Executor,
        limits: Limits,
        on_failure: Callable[[DurabilityLost], None],
        endpoints: tuple[Endpoint, ...] = surface.ENDPOINTS,
        streams: Executor | None = None,
    ) -> None:
        self._doorkeeper = doorkeeper
        self._executor = executor
        self._streams = streams or executor
        self._streaming = 0
        self._limits = limits
        self._on_failure = on_failure
        self._open = Table(surface.OPEN)
        self._table = Table((*surface.OPEN, *endpoints))
        self._room = Room(limits.in_flight_bytes)
        self._quota = Quota(limits.total_bytes)
        self._gathered = Gatherer(executor, self._together)

    @staticmethod
    def owns(path: str) -> bool:
        """Whether the path is MLflow's."""
        return path.startswith(_OWN)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        try:
            answer = await self._answer(scope, receive)
            if isinstance(answer, Streamed):
                await self._pour(answer, receive, send)
                return
        except ClientGone:
            return
        except Full:
            answer = _told(Refusal("REQUEST_LIMIT_EXCEEDED", "too much at once"), close=True)
        except Exception as error:  # noqa: BLE001 - the outermost of one request
            answer = self._failed(error)
        await _send(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> _Answer | Streamed:
        method, path = scope["method"], scope["path"]
        headers = Headers(scope=scope)
        gathers = self._table.gathers(method, path)
        if not gathers:
            if (found := self._open.known(method, path)) is not None:
                return _rendered(found.endpoint.handler(_NOBODY))
            if self._table.takes_stream(method, path):
                return await self._taken(scope, headers, receive)
        with self._room.holding() as share:
            announced = _announced(headers, self._limits.body_bytes)
            if announced > self._limits.small_bytes:
                visit = await self._beside(lambda: self._doorkeeper(headers))
                if visit is None:
                    return _unknown(announced)
                found = self._table.find(method, path)
                body = await self._body(receive, share)
                return await self._beside(
                    lambda: _rendered(_handled(found, visit, scope, headers, body))
                )
            body = await self._body(receive, share, self._limits.small_bytes)
            asked = _Asked(scope, headers, body)
            if gathers:
                return await self._gathered(asked)
            return await self._beside(lambda: self._known(asked))

    async def _taken(
        self, scope: Scope, headers: Headers, receive: Receive
    ) -> _Answer | Streamed:
        """A file on its way in; nothing of it is looked at before its sender is known."""
        size_bytes = _announced(headers, self._limits.artifact_bytes)
        visit = await self._beside(lambda: self._doorkeeper(headers))
        if visit is None:
            return _unknown(size_bytes)
        found = self._table.find(scope["method"], scope["path"])
        with self._stream():
            body = Incoming(receive, self._limits, self._quota)
            known_bytes = 0 if "transfer-encoding" in headers else size_bytes
            call = Call(visit, Message({}), found.path, body, known_bytes)
            fetching = asyncio.ensure_future(body.fetch())
            loop = asyncio.get_running_loop()
            try:
                answer = await loop.run_in_executor(self._streams, found.endpoint.handler, call)
                return _rendered(answer)
            except ClientGone:
                raise
            except Exception as error:  # noqa: BLE001 - told, as any other
                told = self._failed(error)
                return told if body.is_read else replace(told, close=True)
            finally:
                fetching.cancel()
                await asyncio.wait([fetching])

    async def _pour(self, answer: Streamed, receive: Receive, send: Send) -> None:
        """A file on its way out; what goes wrong in the middle breaks the answer off."""
        try:
            with self._stream():
                await pour(answer, receive, send, self._streams)
        except Full:  # nothing was read, and nothing is on record
            raise
        except Exception as error:  # noqa: BLE001 - the answer has begun: it ends too short
            self._failed(error)

    @contextmanager
    def _stream(self) -> Iterator[None]:
        if self._streaming >= self._limits.streams:
            raise Full
        self._streaming += 1
        try:
            yield
        finally:
            self._streaming -= 1

    def _known(self, asked: _Asked) -> _Answer | Streamed:
        """In one step of a thread: who asks, what, and the answer."""
        answer = self._handle(asked, self._doorkeeper(asked.headers))
        return answer if isinstance(answer, _Answer) else _rendered(answer)

    def _handle(self, asked: _Asked, visit: Visit | None) -> object:
        if visit is None:
            return _unknown(len(asked.body))
        found = self._table.find(asked.scope["method"], asked.scope["path"])
        return _handled(found, visit, asked.scope, asked.headers, asked.body)

    def _together(self, group: Sequence[_Asked]) -> list[_Answer | Streamed]:
        """The same for several, whose changes share a commit; each is told its own outcome."""
        visits: dict[tuple[str, ...], Visit | None] = {}
        steps: list[object] = []
        for asked in group:
            # All of them had come when the first of them is looked for: what a token stands
            # for, and may, is read once, and not from before any of these requests.
            shown = tuple(asked.headers.getlist("authorization"))
            try:
                if shown not in visits:
                    visit = self._doorkeeper(asked.headers)
                    visits[shown] = None if visit is None else visit.at_once()
                steps.append(self._handle(asked, visits[shown]))
            except Exception as error:  # noqa: BLE001 - the outermost of one request
                steps.append(self._failed(error))
        outcomes = iter(
            record_each([one.pending for one in steps if isinstance(one, Deferred)])
        )
        return [self._ended(step, outcomes) for step in steps]

    def _ended(
        self, step: object, outcomes: Iterator[Callable[[], object]]
    ) -> _Answer | Streamed:
        try:
            if isinstance(step, Deferred):
                return _rendered(step.told(next(outcomes)()))
            return step if isinstance(step, _Answer) else _rendered(step)
        except Exception as error:  # noqa: BLE001 - the outermost of one request
            return self._failed(error)

    async def _beside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def _body(self, receive: Receive, share: Share, most: int | None = None) -> bytes:
        most = self._limits.body_bytes if most is None else most
        chunks = []
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    chunk = message.get("body", b"")
                    self._quota.take(len(chunk))
                    share.grow(len(chunk))
                    if share.size_bytes > most:
                        raise Refusal("INVALID_PARAMETER_VALUE", _TOO_LARGE, 413)
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError:
            raise Refusal("BAD_REQUEST", "the request did not arrive in time", 408) from None

    def _failed(self, error: Exception) -> _Answer:
        if isinstance(error, DurabilityLost):
            self._on_failure(error)
        refusal = refusal_of(error)
        return _told(refusal, close=refusal.status in {408, 413, 507})


_TOO_LARGE = "the request is larger than this server takes"
_NOBODY: Call = Call(None, Message({}))  # type: ignore[arg-type]  # the open ones look at nothing


def _announced(headers: Headers, most: int) -> int:
    """The size that the request says it has; 0 where it says none."""
    if headers.get("content-encoding", "identity") != "identity":
        # Decompressing would let a small request become a large one.
        raise Refusal("BAD_REQUEST", "compressed requests are not accepted", 415)
    said = headers.get("content-length", "0")
    if headers.get("transfer-encoding") is not None:
        return most
    if not (said.isascii() and said.isdecimal() and len(said) < 16) or int(said) > most:
        raise Refusal("INVALID_PARAMETER_VALUE", _TOO_LARGE, 413)
    return int(said)


def _fields(scope: Scope, body: bytes) -> Message:
    if scope["method"] == "GET" and scope["query_string"]:
        return Message.of_query(scope["query_string"])
    return Message.of_json(body)


def _handled(found: Found, visit: Visit, scope: Scope, headers: Headers, body: bytes) -> object:
    raw = found.endpoint.takes_bytes
    call = Call(
        visit,
        Message({}) if raw else _fields(scope, body),
        found.path,
        (body,) if raw else (),
        headers=headers,
        scheme=scope["scheme"],
    )
    return found.endpoint.handler(call)


def _rendered(answer: object) -> _Answer | Streamed:
    if isinstance(answer, Streamed):
        return answer
    if isinstance(answer, Deferred):
        answer = answer.told(answer.pending.record())
    if answer is None:
        return _NOTHING
    if isinstance(answer, Text):
        return _Answer(200, answer.encode(), _TEXT)
    if isinstance(answer, Protobuf):
        return _Answer(200, answer.body, _PROTOBUF)
    return _Answer(200, encode(answer))


def _told(refusal: Refusal, *, close: bool = False) -> _Answer:
    body = encode({"error_code": refusal.code, "message": refusal.message})
    return _Answer(refusal.status, body, close=close)


def _unknown(announced: int) -> _Answer:
    said = "a valid token is needed: set MLFLOW_TRACKING_TOKEN"
    return _told(Refusal("UNAUTHENTICATED", said), close=announced > _UNREAD)


async def _send(send: Send, answer: _Answer) -> None:
    headers = [answer.kind, (b"content-length", str(len(answer.body)).encode())]
    if answer.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if answer.status in {429, 503}:
        headers.append((b"retry-after", b"1"))
    if answer.close:
        headers.append((b"connection", b"close"))
    start: AsgiMessage = {"type": "http.response.start", "status": answer.status}
    start["headers"] = headers
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})

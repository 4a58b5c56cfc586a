"""The interface as routes: each request bounded, let in, answered in a thread."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cloister.core.errors import BadInput, CloisterError, DurabilityLost, IntegrityError
from cloister.web.console import (
    access,
    compare,
    data,
    ledger,
    live,
    me,
    models,
    patients,
    pipelines,
    queue,
    recovery,
    run,
    runs,
    sweeps,
    team,
    uploads,
)
from cloister.web.console.calls import (
    PREFIX,
    Asked,
    Call,
    Download,
    Said,
    from_body,
    from_query,
)
from cloister.web.console.live import Listening, Telling, Watch
from cloister.web.console.pouring import Pouring
from cloister.web.console.refusals import LOG_IN, refused
from cloister.web.console.rendering import plain
from cloister.web.credentials import Doorkeeper
from cloister.web.limits import Limits
from cloister.web.mlflow.errors import Refusal
from cloister.web.mlflow.streams import ClientGone, Incoming
from cloister.web.people.asking import Ask, TooLarge, read, without_body
from cloister.web.people.desk import Desk
from cloister.web.people.gate import Guest

CALLS: tuple[Call, ...] = (
    *me.CALLS,
    *live.CALLS,
    *runs.CALLS,
    *run.CALLS,
    *compare.CALLS,
    *team.CALLS,
    *access.CALLS,
    *data.CALLS,
    *models.CALLS,
    *patients.CALLS,
    *queue.CALLS,
    *pipelines.CALLS,
    *sweeps.CALLS,
    *uploads.CALLS,
    *ledger.CALLS,
    *recovery.CALLS,
)
"""Every address of the interface: the document and the tests are made from it."""
_LARGEST_BODY = 1 << 20
_log = logging.getLogger("cloister.web")


@dataclass(frozen=True, slots=True)
class Counter:
    """What it takes to answer."""

    desk: Desk
    doorkeeper: Doorkeeper
    threads: Executor
    streams: Executor
    limits: Limits
    on_failure: Callable[[DurabilityLost], None]
    watch: Watch

    def enter(self, request: Request, ask: Ask) -> Guest | None:
        """Who asks, by a token where one is shown, else by the session of a browser.

        None for nobody we know. Raises NotAllowed for what another site's page made a
        browser do; a page cannot make it show a token.
        """
        if "authorization" in request.headers:
            visit = self.doorkeeper(request.headers)
            return None if visit is None else Guest(visit.lab)
        guest = self.desk.gate.enter(ask)
        return None if guest.session is None else guest


def routes(counter: Counter, calls: tuple[Call, ...] = CALLS) -> list[BaseRoute]:
    """Every call, and one answer for every other address below."""
    made: list[BaseRoute] = [
        Route(PREFIX + one.path, _endpoint(counter, one), methods=[one.method]) for one in calls
    ]
    return [*made, Route(PREFIX + "/{rest:path}", _nothing, methods=list(_METHODS))]


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


async def _nothing(_: Request) -> Response:
    told = {"code": "E101", "message": "nothing is answered here", "hint": "see /openapi.json"}
    return _json({"error": told}, 404)


def _endpoint(counter: Counter, call: Call) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            if call.takes_stream:
                return await _streamed(counter, call, request)
            ask = await read(request, _LARGEST_BODY)
        except TooLarge:
            return _broken(413, "the request is larger than this address takes")
        except (ClientDisconnect, ClientGone, TimeoutError):
            return _broken(408, "the request did not arrive in time")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(counter.threads, _answer, counter, call, request, ask)

    return endpoint


def _answer(counter: Counter, call: Call, request: Request, ask: Ask) -> Response:
    """In one step of a thread: who asks, what, and the answer."""
    return _guarded(
        counter,
        call,
        request,
        ask,
        lambda guest: Asked(
            guest.lab, guest.session, counter.desk, ask.named, _fields(call, request, ask.body)
        ),
    )


async def _streamed(counter: Counter, call: Call, request: Request) -> Response:
    """Bytes on their way in; nothing of them is looked at before their sender is known."""
    ask = without_body(request)
    body = Incoming(request.receive, counter.limits)
    headers = {key.lower(): value for key, value in request.headers.items()}
    length = headers.get("content-length", "")
    size_bytes = int(length) if length.isdecimal() and len(length) < 16 else None

    def made(guest: Guest) -> Asked:
        return Asked(
            guest.lab,
            guest.session,
            counter.desk,
            ask.named,
            _fields(call, request, b""),
            body,
            size_bytes,
            headers,
        )

    fetching = asyncio.ensure_future(body.fetch())
    loop = asyncio.get_running_loop()
    try:
        answer = await loop.run_in_executor(
            counter.streams, _guarded, counter, call, request, ask, made
        )
    finally:
        fetching.cancel()
        await asyncio.wait([fetching])
    if not body.is_read:  # what was not read cannot be told from the next request
        answer.headers["connection"] = "close"
    return answer


def _guarded(
    counter: Counter,
    call: Call,
    request: Request,
    ask: Ask,
    made: Callable[[Guest], Asked],
) -> Response:
    guest: Guest | None = Guest(counter.desk.lab)
    try:
        guest = counter.enter(request, ask)
        if guest is None:
            return _json(LOG_IN, 401, {"www-authenticate": "Bearer"})
        answer = call.handler(made(guest))
        return _rendered(counter, answer, lambda: _still(counter, request, ask))
    except DurabilityLost as failure:
        counter.on_failure(failure)
        return _told("E600", "the record broke; the lab stops", 503)
    except Refusal as refusal:
        return _broken(refusal.status, refusal.message)
    except CloisterError as error:
        _noted(error)
        status, body = refused(error, guest or Guest(counter.desk.lab), call.needs)
        return _json(body, status, {"retry-after": "1"} if status in {429, 503} else {})
    except Exception:  # noqa: BLE001 - the outermost of one request
        _log.exception("a request could not be answered")
        return _told("E000", "that failed inside: the log of the service says more", 500)


def _still(counter: Counter, request: Request, ask: Ask) -> bool:
    """Whether whoever asked is let in still."""
    try:
        return counter.enter(request, ask) is not None
    except CloisterError:
        return False


def _noted(error: CloisterError) -> None:
    if isinstance(error, IntegrityError):
        _log.error("%s: %s", error.code, error.message)


def _fields(call: Call, request: Request, body: bytes) -> dict[str, Any]:
    try:
        query = parse_qs(request.url.query, keep_blank_values=True, max_num_fields=500)
    except ValueError as error:
        raise BadInput("the address says too much") from error
    if call.in_query:
        return from_query(call, query)
    if query:
        raise BadInput("what is said belongs in the body, not in the address")
    if not body:
        return from_body(call, {})
    # A form of another site's page cannot be of this type without asking us first (Fetch 3.2).
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadInput("the body is not application/json")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput("the body is not JSON") from error
    return from_body(call, said)


def _rendered(counter: Counter, value: object, still: Callable[[], bool]) -> Response:
    if isinstance(value, Listening):
        return Telling(counter.watch, value, still, counter.threads)
    if isinstance(value, Download):
        # The first bytes are made here, so that what is refused is told as any other refusal.
        return Pouring(value, next(value.chunks, None), counter.streams)
    if not isinstance(value, Said):
        return _json(value, 200)
    if value.value is None and value.status != 200:
        return Response(None, value.status, dict(value.headers))
    return _json(value.value, value.status, value.headers)


def _json(value: object, status: int, headers: Any = None) -> Response:
    text = json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(), status, dict(headers or {}), "application/json")


def _told(code: str, message: str, status: int) -> Response:
    return _json({"error": {"code": code, "message": message, "hint": None}}, status)


def _broken(status: int, message: str) -> Response:
    answer = _told("E103", message, status)
    answer.headers["connection"] = "close"
    return answer

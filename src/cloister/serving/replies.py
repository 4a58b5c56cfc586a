"""HTTP answers, in the protocol's shapes; none quotes a request."""

from __future__ import annotations

import logging

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cloister.serving.predict import Answer

JSON_SIZE = "inference-header-content-length"
_log = logging.getLogger("cloister.serving")
_DISCARDED_BYTES = 65536  # an unread body up to this size is drained, not cut off


def predicted(answer: Answer) -> Response:
    """200: a prediction."""
    headers = {"cloister-ledger-index": str(answer.ledger_index)}
    if answer.json_size is None:
        return Response(answer.body, 200, headers, "application/json")
    headers[JSON_SIZE] = str(answer.json_size)
    return Response(answer.body, 200, headers, "application/octet-stream")


def unauthorized(headers: Headers) -> Response:
    """401: no token, or not the right one."""
    extra = {"www-authenticate": "Bearer"}
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > _DISCARDED_BYTES:
        extra["connection"] = "close"
    return JSONResponse({"error": "a valid bearer token is needed"}, 401, extra)


def unavailable(text: str) -> HTTPException:
    """503: come back later."""
    return HTTPException(503, text, {"retry-after": "1"})


def refused_unread(status: int, text: str) -> HTTPException:
    """A refusal of a body that was not read to its end: the connection cannot be used again."""
    return HTTPException(status, text, {"retry-after": "1", "connection": "close"})


async def say(_: Request, error: Exception) -> Response:
    """What an HTTPException says."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def say_nothing(_: Request, error: Exception) -> Response:
    """A fault of ours: its place is logged, never its words, which may quote the request."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "unknown"
    _log.error("unexpected %s at %s", type(error).__name__, where)
    return JSONResponse({"error": "internal error"}, 500)

"""One request to a page, bounded and parsed; one answer to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request

LARGEST_BODY = 64 << 10
_PATIENCE_S = 15.0
SAFE = frozenset({"GET", "HEAD"})


class TooLarge(Exception):
    """More than a form can hold; never leaves the server."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody asks of a page; nothing in it is trusted."""

    method: str
    path: str
    host: str
    """As the Host header has it, with its port."""
    origin: str | None
    site: str | None
    """Sec-Fetch-Site, where the browser says it."""
    address: str
    cookies: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    named: Mapping[str, str] = field(repr=False)
    """Parts of the path."""

    def form(self, name: str) -> str:
        """One field of a form; empty where it is not there."""
        return _first(self.body.decode(errors="replace")).get(name, "")

    def many(self, name: str) -> tuple[str, ...]:
        """All values of one field."""
        fields = parse_qs(self.body.decode(errors="replace"), max_num_fields=200)
        return tuple(fields.get(name, ()))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page says."""

    body: str | bytes = field(repr=False)
    status: int = 200
    kind: str = "text/html; charset=utf-8"
    location: str | None = None
    cookies: tuple[str, ...] = field(default=(), repr=False)
    """Set-Cookie headers."""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Ask], Answer]


def goto(path: str, *cookies: str) -> Answer:
    """Go and GET ``path``, one of ours."""
    return Answer("", 303, location=path, cookies=cookies)


async def read(request: Request, most: int = LARGEST_BODY) -> Ask:
    """The request, its body read; raises TooLarge, ClientDisconnect, TimeoutError."""
    body = bytearray()
    async with asyncio.timeout(_PATIENCE_S):
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                raise TooLarge
    return without_body(request, bytes(body))


def without_body(request: Request, body: bytes = b"") -> Ask:
    """The request but for its body, which is read elsewhere or is given."""
    headers = request.headers
    return Ask(
        method=request.method,
        path=request.url.path,
        host=headers.get("host", ""),
        origin=headers.get("origin"),
        site=headers.get("sec-fetch-site"),
        address=request.client.host if request.client else "",
        cookies=_cookies(headers.get("cookie", "")),
        query=_first(request.url.query),
        body=body,
        named={key: str(value) for key, value in request.path_params.items()},
    )


def _first(text: str) -> dict[str, str]:
    """The first value of each field; a second one is somebody's trick."""
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: one.value for name, one in SimpleCookie(header).items()}
    except CookieError:
        return {}


__all__ = ["Answer", "Ask", "ClientDisconnect", "Handler", "TooLarge", "goto", "read"]

"""The pages as routes: each request read, let through the gate, answered in a thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor
from importlib.resources import files
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cloister.core.errors import (
    BadInput,
    CloisterError,
    Conflict,
    DurabilityLost,
    KeysUnavailable,
    NotAllowed,
    NotFound,
    TooManyAttempts,
)
from cloister.web.people import account_pages, login_pages
from cloister.web.people.asking import Answer, Ask, TooLarge, goto, read
from cloister.web.people.desk import Desk, Page
from cloister.web.people.gate import Guest
from cloister.web.people.html import PAGE_HEADERS, page, tag

PAGES: tuple[Page, ...] = (*login_pages.PAGES, *account_pages.PAGES)
_STATUS: tuple[tuple[type[CloisterError], int], ...] = (
    (TooManyAttempts, 429),
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (BadInput, 400),
    (KeysUnavailable, 503),
)
_STATIC = {
    "people.css": "text/css; charset=utf-8",
    "passkey.js": "text/javascript; charset=utf-8",
}


def routes(
    desk: Desk, threads: Executor, on_failure: Callable[[DurabilityLost], None]
) -> list[BaseRoute]:
    """Every page, and what they need to look like something."""
    made: list[BaseRoute] = [_route(desk, one, threads, on_failure) for one in PAGES]
    return [*made, *(_static(name, kind) for name, kind in _STATIC.items())]


def answer(desk: Desk, asked: Page, ask: Ask) -> Answer:
    """What one page answers; raises DurabilityLost alone."""
    guest = Guest(desk.lab)
    try:
        guest = desk.gate.enter(ask)
        if not asked.open and guest.session is None:
            return _nobody(asked, ask)
        return asked.handler(desk, guest, ask)
    except DurabilityLost:
        raise
    except CloisterError as error:
        return _refused(asked, guest, ask, error)


def _nobody(asked: Page, ask: Ask) -> Answer:
    """Log in first; only a page that was looked at is come back to."""
    if asked.method == "GET":
        return goto(f"/login?next={quote(ask.path)}")
    if asked.json:
        return Answer(json.dumps({"error": "log in first"}), 401, "application/json")
    return Answer(page("Log in first", tag("p", tag("a", "Log in", href="/login"))), 401)


def _refused(asked: Page, guest: Guest, ask: Ask, error: CloisterError) -> Answer:
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    said = f"{error.message}." if error.hint is None else f"{error.message}: {error.hint}."
    if asked.json:
        return Answer(json.dumps({"error": said}), status, "application/json")
    away = guest.session is not None and not guest.present
    way = tag("p", tag("a", "Back", href="/account" if guest.session else "/login"))
    if status == 403 and away:
        onward = quote(ask.path if asked.method == "GET" else "/account")
        there = f"/account/prove?next={onward}"
        way = tag("p", tag("a", "Show again who you are", href=there, class_="button"))
    return Answer(page("That did not work", tag("p", said), way), status)


def _route(
    desk: Desk, asked: Page, threads: Executor, on_failure: Callable[[DurabilityLost], None]
) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            ask = await read(request)
        except TooLarge:
            return Response("too large", 413, headers={"connection": "close"})
        except (ClientDisconnect, TimeoutError):
            return Response("too slow", 408, headers={"connection": "close"})
        loop = asyncio.get_running_loop()
        try:
            said = await loop.run_in_executor(threads, answer, desk, asked, ask)
        except DurabilityLost as failure:
            on_failure(failure)
            return Response("the record broke; the lab stops", 503)
        return _response(said)

    return Route(asked.path, endpoint, methods=[asked.method])


def _response(said: Answer) -> Response:
    made = Response(said.body, said.status, dict(PAGE_HEADERS) | dict(said.headers), said.kind)
    if said.location is not None:
        made.headers["location"] = said.location
    for cookie in said.cookies:
        made.headers.append("set-cookie", cookie)
    return made


def _static(name: str, kind: str) -> Route:
    content = (files("cloister.web.people") / name).read_bytes()

    async def endpoint(_: Request) -> Response:
        headers = dict(PAGE_HEADERS) | {"cache-control": "public, max-age=3600"}
        return Response(content, 200, headers, kind)

    return Route(f"/static/{name}", endpoint, methods=["GET"])

"""The console's pages: one index for every address of them, and the files it is made of."""

from __future__ import annotations

import asyncio
import gzip
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from cloister.core.errors import CloisterError
from cloister.web.people.asking import without_body
from cloister.web.people.desk import Desk
from cloister.web.people.html import PAGE_HEADERS, page, tag

NOUNS = (
    *("runs", "compare", "data", "lineage", "models", "erase", "ledger", "recovery"),
    *("people", "projects", "tokens", "sessions", "approvals", "queue", "settings"),
    *("pipelines", "flows", "sweeps"),
)
"""First words of the addresses that the console answers, beside ``/``."""
HEADERS = PAGE_HEADERS | {
    "content-security-policy": "default-src 'self'; style-src 'self'; script-src 'self';"
    " img-src 'self' data: blob:; object-src 'none'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
}
_FOREVER = "public, max-age=31536000, immutable"
_KINDS = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}
_UNBUILT = "The console was not built into this installation."


@dataclass(frozen=True, slots=True)
class File:
    """One file, as it is and smaller."""

    kind: str
    content: bytes
    packed: bytes


def routes(desk: Desk, threads: Executor) -> list[BaseRoute]:
    """Every page, for whoever is logged in; and their files, for all: they hold no secret."""

    async def shown(request: Request) -> Response:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, _shown, desk, request)

    addresses = [
        "/",
        *(f"/{noun}" for noun in NOUNS),
        *(f"/{noun}/{{rest:path}}" for noun in NOUNS),
    ]
    return [
        *(Route(address, shown, methods=["GET"]) for address in addresses),
        Route("/console/{name:path}", _file, methods=["GET"]),
    ]


def _shown(desk: Desk, request: Request) -> Response:
    try:
        guest = desk.gate.enter(without_body(request))
    except CloisterError as error:
        return Response(page("That did not work", tag("p", error.message)), 403, dict(HEADERS))
    if guest.session is None:
        path = request.scope.get("raw_path", b"/").decode("ascii", "replace").partition("?")[0]
        asked = path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(asked, safe='/')}", 303, dict(HEADERS))
    index = _files().get("index.html")
    if index is None:
        way = tag("p", "Run `make console` in the checkout, or install the wheel.")
        body = page("No console", tag("p", _UNBUILT), way)
        return Response(body, 503, dict(HEADERS), "text/html; charset=utf-8")
    return _answer(request, index, "no-store")


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    found = _files().get(name)
    if found is None or name == "index.html":
        return Response("there is no such file", 404, dict(PAGE_HEADERS))
    lasting = name.startswith("assets/")  # named by their content
    return _answer(request, found, _FOREVER if lasting else "no-cache")


def _answer(request: Request, found: File, caching: str) -> Response:
    headers = dict(HEADERS) | {"cache-control": caching, "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(found.packed, 200, headers, found.kind)
    return Response(found.content, 200, headers, found.kind)


@cache
def _files() -> dict[str, File]:
    """All of them, read once: what was built is a few hundred kilobytes."""
    made: dict[str, File] = {}

    def take(place: Traversable, prefix: str) -> None:
        for one in place.iterdir():
            if one.is_dir():
                take(one, f"{prefix}{one.name}/")
            elif kind := _KINDS.get(one.name.rpartition(".")[2]):
                content = one.read_bytes()
                packed = gzip.compress(content, 9, mtime=0)
                made[prefix + one.name] = File(kind, content, packed)

    dist = files("cloister.web.console") / "dist"
    if dist.is_dir():
        take(dist, "")
    return made

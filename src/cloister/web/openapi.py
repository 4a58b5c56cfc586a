"""Every address of the lab as one OpenAPI document, made from the tables of routes."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cloister import __version__
from cloister.web.mlflow import surface
from cloister.web.mlflow.endpoint import Endpoint
from cloister.web.people.desk import Page
from cloister.web.people.routes import PAGES

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_WHOLE = {"anyOf": [{"type": "integer"}, _TEXT]}
"""64-bit numbers may be spelled as text (proto3 JSON)."""
_PAIRS = {
    "type": "array",
    "items": {"type": "object", "properties": {"key": _TEXT, "value": _TEXT}},
}
_TRACKED: dict[str, Any] = {
    **dict.fromkeys(("run_id", "run_uuid", "experiment_id", "experiment_name"), _TEXT),
    **dict.fromkeys(("name", "new_name", "run_name", "key", "value", "status"), _TEXT),
    **dict.fromkeys(("filter", "page_token", "metric_key", "view_type", "path"), _TEXT),
    **dict.fromkeys(("timestamp", "step", "start_time", "end_time", "max_results"), _WHOLE),
    **dict.fromkeys(("experiment_ids", "run_ids", "order_by"), _TEXTS),
    **dict.fromkeys(("tags", "params", "metrics"), _PAIRS),
}
"""What MLflow's requests hold: which of them an endpoint wants, it says where one lacks."""


def document() -> dict[str, Any]:
    """The document (OpenAPI 3.1)."""
    paths: dict[str, dict[str, Any]] = {}
    for page in PAGES:
        paths.setdefault(page.path, {})[page.method.lower()] = _of_page(page)
    for open_to_all, endpoints in ((True, surface.OPEN), (False, surface.ENDPOINTS)):
        for one in endpoints:
            path = one.path if open_to_all and one.path.count("/") == 1 else f"/api{one.path}"
            shown = re.sub(r"\{(\w+):path\}", r"{\1}", path)
            paths.setdefault(shown, {})[one.method.lower()] = _of_endpoint(one, open_to_all)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cloister", "version": __version__},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-cloister"},
            },
            "schemas": {"Tracked": {"type": "object", "properties": _TRACKED}},
        },
    }


def _of_page(page: Page) -> dict[str, Any]:
    fields = {"type": "object", "properties": dict.fromkeys(page.fields, _TEXT)}
    form = {"application/x-www-form-urlencoded": {"schema": fields}}
    return {
        "summary": (page.handler.__doc__ or "").strip().rstrip("."),
        "parameters": _parameters(page.path),
        "security": [] if page.open else [{"session": []}],
        "responses": {"default": {"description": "a page, or where to go"}},
        **({"requestBody": {"content": form}} if page.fields else {}),
    }


def _of_endpoint(one: Endpoint, open_to_all: bool) -> dict[str, Any]:
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/Tracked"}}}
    asked: list[dict[str, Any]] = [
        {"name": key, "in": "query", "schema": _TEXT} for key in ("run_id", "experiment_id")
    ]
    return {
        "summary": f"MLflow: {one.path}",
        "parameters": [*_parameters(one.path), *(asked if one.method == "GET" else [])],
        "security": [] if open_to_all else [{"token": []}],
        "responses": {"default": {"description": "as MLflow's REST interface says"}},
        **({} if one.method == "GET" else {"requestBody": {"content": body}}),
    }


def _parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _TEXT | {"minLength": 1}}
        for name in re.findall(r"\{(\w+)", path)
    ]


async def _answer(_: Request) -> Response:
    return Response(json.dumps(document()), media_type="application/json")


ROUTE = Route("/openapi.json", _answer, methods=["GET"])
"""Where the lab shows it, to whoever asks: it holds nothing of the lab's own."""

"""Every address of the lab as one OpenAPI document, made from the tables of routes."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cloister import __version__
from cloister.web.console.api import CALLS
from cloister.web.console.calls import PREFIX, Call, Field, Kind
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


_TOLD: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                **dict.fromkeys(("code", "message"), _TEXT),
                "hint": {"type": ["string", "null"]},
                "prove": _TEXT | {"description": "where to show again who one is"},
            },
        }
    },
}
_REFUSAL = {
    "description": "it was refused, or failed",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
}


def document() -> dict[str, Any]:
    """The document (OpenAPI 3.1)."""
    paths: dict[str, dict[str, Any]] = {}
    for page in PAGES:
        paths.setdefault(page.path, {})[page.method.lower()] = _of_page(page)
    for call in CALLS:
        shown = re.sub(r"\{(\w+):path\}", r"{\1}", PREFIX + call.path)
        paths.setdefault(shown, {})[call.method.lower()] = _of_call(call)
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
            "schemas": {
                "Tracked": {"type": "object", "properties": _TRACKED},
                "Refusal": _TOLD,
            },
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


def _of_call(call: Call) -> dict[str, Any]:
    schemas = {one.name: _of_field(one) for one in call.fields}
    asked = [
        {"name": one.name, "in": "query", "required": one.required, "schema": schemas[one.name]}
        for one in call.fields
        if call.in_query
    ]
    whole: dict[str, Any] = {
        "type": "object",
        "properties": schemas,
        "required": [one.name for one in call.fields if one.required],
        "additionalProperties": False,
    }
    body: dict[str, Any] = {"application/json": {"schema": whole}}
    if call.takes_stream:
        body = {"application/octet-stream": {}}
    fine: dict[str, Any] = {
        str(status): {"description": "done as asked"} for status in call.statuses
    }
    bodiless = call.in_query and not call.takes_stream
    return {
        "summary": (call.handler.__doc__ or "").strip().partition("\n")[0].rstrip("."),
        "parameters": [*_parameters(call.path), *asked],
        "security": [{"session": []}, {"token": []}],
        "responses": fine | {"default": _REFUSAL},
        **({} if bodiless else {"requestBody": {"content": body}}),
    }


def _of_field(one: Field) -> dict[str, Any]:
    made: dict[Kind, dict[str, Any]] = {
        Kind.TEXT: _TEXT | {"maxLength": one.most},
        Kind.WHOLE: {"type": "integer", "minimum": one.least, "maximum": one.most},
        Kind.FLAG: {"type": "boolean"},
        Kind.TEXTS: _TEXTS | {"maxItems": one.most},
        Kind.OBJECT: {"type": "object"},
    }
    return made[one.kind] | ({} if one.example is None else {"examples": [one.example]})


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

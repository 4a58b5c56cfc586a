"""Spans as a stock MLflow keeps them (its schema 3), from and to OTLP's JSON.

An attribute is kept as JSON in a string; ids in base64, or, by release 3.5, in hexadecimal.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

from cloister.core.errors import BadInput
from cloister.tracking import spans
from cloister.tracking.limits import INT64
from cloister.tracking.spans import Json

_CODES = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def of_stock(said: dict[str, Any]) -> Json:
    """The span that MLflow wrote; raises BadInput for another form, such as schema 2."""
    try:
        status = said.get("status") or {}
        code = str(status.get("code", ""))
        body = {
            "traceId": _id(said["trace_id"], 32),
            "spanId": _id(said["span_id"], 16),
            "parentSpanId": _id(said.get("parent_span_id") or "", 16),
            "name": said.get("name") or "",
            "startTimeUnixNano": str(said["start_time_unix_nano"] or 0),
            "endTimeUnixNano": str(said.get("end_time_unix_nano") or 0),
            "attributes": [
                {"key": key, "value": _value(_decoded(value))}
                for key, value in (said.get("attributes") or {}).items()
            ],
            "events": [_event(one) for one in said.get("events") or ()],
            "status": {
                "code": next((n for n, word in enumerate(_CODES) if word.endswith(code)), 0)
                if code
                else 0,
                "message": status.get("message") or "",
            },
        }
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise BadInput("a span of this MLflow store has a form that is not read") from error
    return spans.span_of(spans.read(body, "Span")).body


def to_stock(body: Json) -> dict[str, Any]:
    """The span as MLflow writes it."""
    status = body.get("status", {})
    trace = f"tr-{body['traceId']}"
    attributes = {one.get("key", ""): _plain(one.get("value")) for one in _list(body)}
    attributes["mlflow.traceRequestId"] = trace
    parent = body.get("parentSpanId")
    return {
        "trace_id": _base64(body["traceId"]),
        "span_id": _base64(body["spanId"]),
        "parent_span_id": None if parent is None else _base64(parent),
        "name": body.get("name", ""),
        "start_time_unix_nano": int(body.get("startTimeUnixNano", "0")),
        "end_time_unix_nano": int(body.get("endTimeUnixNano", "0")) or None,
        "events": [
            {
                "name": one.get("name", ""),
                "time_unix_nano": int(one.get("timeUnixNano", "0")),
                "attributes": {e.get("key", ""): _plain(e.get("value")) for e in _list(one)},
            }
            for one in body.get("events", ())
        ],
        "status": {
            "code": _CODES[min(status.get("code", 0), 2)],
            "message": status.get("message", ""),
        },
        "attributes": {
            key: json.dumps(value, ensure_ascii=False) for key, value in attributes.items()
        },
        "links": [],
    }


def _list(body: Json) -> list[Json]:
    found: list[Json] = body.get("attributes", [])
    return found


def _id(text: str, digits: int) -> str:
    """Hexadecimal digits of an id in either spelling; empty for none."""
    plain = text.removeprefix("tr-")
    if len(plain) == digits:
        return plain
    try:
        return base64.b64decode(text, validate=True).hex()
    except binascii.Error as error:
        raise ValueError("neither base64 nor hexadecimal") from error


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode("ascii")


def _decoded(value: object) -> object:
    """What an attribute says: JSON in a string, or, of foreign spans, the value itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _event(said: dict[str, Any]) -> Json:
    attributes = (said.get("attributes") or {}).items()
    return {
        "name": said.get("name") or "",
        "timeUnixNano": str(said.get("time_unix_nano") or 0),
        "attributes": [{"key": key, "value": _value(value)} for key, value in attributes],
    }


def _value(value: object) -> Json:
    """As OTLP types it."""
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int() if -INT64 <= value < INT64:
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": spans.word_of(value)}
        case list():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case dict():
            pairs = [{"key": str(key), "value": _value(item)} for key, item in value.items()]
            found: Json = {"kvlistValue": {"values": pairs}}
        case _:
            found = {"stringValue": str(value)}
    return found


def _plain(value: Json | None) -> object:
    """What an OTLP value says."""
    for kind, said in (value or {}).items():
        if kind == "intValue":
            return int(said)
        if kind == "doubleValue":
            return _WORDS.get(said, said) if isinstance(said, str) else float(said)
        if kind == "arrayValue":
            return [_plain(item) for item in said.get("values", ())]
        if kind == "kvlistValue":
            return {
                one.get("key", ""): _plain(one.get("value")) for one in said.get("values", ())
            }
        return said
    return None

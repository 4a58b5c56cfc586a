"""Spans: what a traced call was given and gave, in OTLP's JSON, and every text in it.

The fields are those of opentelemetry/proto/trace/v1/trace.proto (release 1.x), by number. Both
encodings of OTLP are read by this one table; a field that it does not have is passed over.
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from cloister.core.errors import BadInput

DEEPEST = 100
"""Of values within values; what is nested deeper is refused."""
Json = dict[str, Any]
"""One message in OTLP's JSON: names in lowerCamelCase, fields of no value left out."""


class Kind(Enum):
    """What a field holds, and how it is written."""

    ID = "id"
    """Bytes; hexadecimal digits in OTLP's JSON, base64 in that of protocol buffers."""
    BYTES = "bytes"
    TEXT = "text"
    LONG = "long"
    """A varint of 64 bits with a sign; a string in JSON."""
    TIME = "time"
    """Eight bytes without a sign: nanoseconds since 1970; a string in JSON."""
    COUNT = "count"
    """A varint of 32 bits."""
    WORD = "word"
    """Four bytes without a sign."""
    NUMBER = "number"
    FLAG = "flag"
    PART = "part"
    """A message."""


class Field(NamedTuple):
    """One field of a message."""

    name: str
    kind: Kind
    part: str = ""
    """The message, of a part."""
    repeated: bool = False
    oneof: bool = False
    """One of a choice, so that its zero is said too."""


def _parts(name: str, part: str) -> Field:
    return Field(name, Kind.PART, part, repeated=True)


_ATTRIBUTES = _parts("attributes", "KeyValue")
MESSAGES: Mapping[str, Mapping[int, Field]] = {
    "Request": {1: _parts("resourceSpans", "ResourceSpans")},
    "ResourceSpans": {2: _parts("scopeSpans", "ScopeSpans")},
    "ScopeSpans": {2: _parts("spans", "Span")},
    "Span": {
        1: Field("traceId", Kind.ID),
        2: Field("spanId", Kind.ID),
        3: Field("traceState", Kind.TEXT),
        4: Field("parentSpanId", Kind.ID),
        5: Field("name", Kind.TEXT),
        6: Field("kind", Kind.COUNT),
        7: Field("startTimeUnixNano", Kind.TIME),
        8: Field("endTimeUnixNano", Kind.TIME),
        9: _ATTRIBUTES,
        10: Field("droppedAttributesCount", Kind.COUNT),
        11: _parts("events", "Event"),
        12: Field("droppedEventsCount", Kind.COUNT),
        13: _parts("links", "Link"),
        14: Field("droppedLinksCount", Kind.COUNT),
        15: Field("status", Kind.PART, "Status"),
        16: Field("flags", Kind.WORD),
    },
    "Event": {
        1: Field("timeUnixNano", Kind.TIME),
        2: Field("name", Kind.TEXT),
        3: _ATTRIBUTES,
        4: Field("droppedAttributesCount", Kind.COUNT),
    },
    "Link": {
        1: Field("traceId", Kind.ID),
        2: Field("spanId", Kind.ID),
        3: Field("traceState", Kind.TEXT),
        4: _ATTRIBUTES,
        5: Field("droppedAttributesCount", Kind.COUNT),
        6: Field("flags", Kind.WORD),
    },
    "Status": {2: Field("message", Kind.TEXT), 3: Field("code", Kind.COUNT)},
    "KeyValue": {1: Field("key", Kind.TEXT), 2: Field("value", Kind.PART, "AnyValue")},
    "AnyValue": {
        1: Field("stringValue", Kind.TEXT, oneof=True),
        2: Field("boolValue", Kind.FLAG, oneof=True),
        3: Field("intValue", Kind.LONG, oneof=True),
        4: Field("doubleValue", Kind.NUMBER, oneof=True),
        5: Field("arrayValue", Kind.PART, "ArrayValue", oneof=True),
        6: Field("kvlistValue", Kind.PART, "KeyValueList", oneof=True),
        7: Field("bytesValue", Kind.BYTES, oneof=True),
    },
    "ArrayValue": {1: _parts("values", "AnyValue")},
    "KeyValueList": {1: _parts("values", "KeyValue")},
}
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_STATUS_ERROR = 2
_CHOICES = {
    "kind": ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"),
    "code": ("UNSET", "OK", "ERROR"),
}
_PREFIXES = {"kind": "SPAN_KIND_", "code": "STATUS_CODE_"}
_BOUNDS = {
    Kind.LONG: (-(1 << 63), (1 << 63) - 1),
    Kind.TIME: (0, (1 << 64) - 1),
    Kind.COUNT: (0, (1 << 32) - 1),
    Kind.WORD: (0, (1 << 32) - 1),
}


class Span(NamedTuple):
    """One span, and what its trace is told of by it."""

    trace: str
    """``tr-`` and 32 hexadecimal digits: the id by which MLflow's clients ask for the trace."""
    body: Json

    @property
    def is_root(self) -> bool:
        """Whether it is the whole call, which no other span is around."""
        return "parentSpanId" not in self.body

    @property
    def started_ms(self) -> int:
        """When it began."""
        return int(self.body.get("startTimeUnixNano", "0")) // 1_000_000

    @property
    def ended_ms(self) -> int | None:
        """When it ended; None while it goes on."""
        end = int(self.body.get("endTimeUnixNano", "0"))
        return end // 1_000_000 if end else None

    @property
    def failed(self) -> bool:
        """Whether it ended in an error."""
        return bool(self.body.get("status", {}).get("code") == _STATUS_ERROR)


def of_request(request: Json) -> list[Span]:
    """The spans of an export request, read; raises BadInput for one of no proper ids."""
    return [
        span_of(span)
        for resource in request.get("resourceSpans", ())
        for scope in resource.get("scopeSpans", ())
        for span in scope.get("spans", ())
    ]


def span_of(body: Json) -> Span:
    """The span that was read; raises BadInput for one of no proper ids."""
    for name, digits in (("traceId", 32), ("spanId", 16)):
        found = body.get(name, "")
        if len(found) != digits or not found.strip("0"):
            raise BadInput(f"Invalid OpenTelemetry format: a {name} has {digits // 2} bytes")
    if not body.get("parentSpanId", "").strip("0"):
        body.pop("parentSpanId", None)
    elif len(body["parentSpanId"]) != 16:
        raise BadInput("Invalid OpenTelemetry format: a parentSpanId has 8 bytes")
    return Span(f"tr-{body['traceId']}", body)


def read(value: object, message: str, depth: int = 0) -> Json:
    """``value``, as JSON gave it, checked field by field; raises BadInput for another form."""
    if not isinstance(value, dict) or depth > DEEPEST:
        raise BadInput(f"Invalid OpenTelemetry format: expected an object for {message}")
    found: Json = {}
    for field in MESSAGES[message].values():
        said = value.get(field.name)
        if said is None:
            said = value.get(_snake(field.name))
        if said is None:
            continue
        if field.repeated:
            if not isinstance(said, list):
                raise _unfit(field)
            items = [_value(field, item, depth) for item in said]
            found |= {field.name: items} if items else {}
            continue
        one = _value(field, said, depth)
        if field.oneof or not is_zero(field, one):
            found[field.name] = one
    return found


def is_zero(field: Field, value: object) -> bool:
    """Whether the field is left out where it has this value."""
    if field.kind in {Kind.LONG, Kind.TIME}:
        return value == "0"
    return field.kind is not Kind.PART and value in ("", 0)


def _value(field: Field, said: object, depth: int) -> object:
    if field.kind is Kind.PART:
        return read(said, field.part, depth + 1)
    reader = _READERS.get(field.kind)
    return reader(field, said) if reader else _whole(field, said)


def _id(field: Field, said: object) -> str:
    try:
        return bytes.fromhex(said if isinstance(said, str) else "x").hex()
    except ValueError:
        raise _unfit(field) from None


def _bytes(field: Field, said: object) -> str:
    try:
        raw = base64.b64decode(said if isinstance(said, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise _unfit(field) from None
    return base64.b64encode(raw).decode("ascii")


def _text(field: Field, said: object) -> str:
    if not isinstance(said, str):
        raise _unfit(field)
    try:
        said.encode()
    except UnicodeEncodeError:
        raise _unfit(field) from None
    return said


def _flag(field: Field, said: object) -> bool:
    if not isinstance(said, bool):
        raise _unfit(field)
    return said


def _number(field: Field, said: object) -> float | str:
    """A double; those that JSON has no number for are words."""
    if isinstance(said, str) and said in _WORDS:
        return said
    try:
        if isinstance(said, bool) or not isinstance(said, int | float | str):
            raise _unfit(field)
        found = float(said)
    except (ValueError, OverflowError):
        raise _unfit(field) from None
    return word_of(found)


def word_of(number: float) -> float | str:
    """A double as JSON has it."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def _whole(field: Field, said: object) -> int | str:
    if isinstance(said, str) and field.name in _CHOICES:
        names = [_PREFIXES[field.name] + word for word in _CHOICES[field.name]]
        said = names.index(said) if said in names else said
    if isinstance(said, str) and len(said) <= 20 and said.isascii():
        digits = said.removeprefix("-")
        said = int(said) if digits.isdigit() else said
    low, high = _BOUNDS[field.kind]
    if isinstance(said, bool) or not isinstance(said, int) or not low <= said <= high:
        raise _unfit(field)
    return str(said) if field.kind in {Kind.LONG, Kind.TIME} else said


_READERS: Mapping[Kind, Callable[[Field, object], object]] = {
    Kind.ID: _id,
    Kind.BYTES: _bytes,
    Kind.TEXT: _text,
    Kind.FLAG: _flag,
    Kind.NUMBER: _number,
}


def _unfit(field: Field) -> BadInput:
    return BadInput(f"Invalid OpenTelemetry format: a {field.name} is not as OTLP has it")


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)


def texts(bodies: Sequence[Json]) -> list[str]:
    """Every text of these spans, in one order."""
    return [text for body in bodies for text in _texts(body, "Span")]


def _texts(body: Json, message: str) -> Iterator[str]:
    for field in MESSAGES[message].values():
        if field.kind is Kind.TEXT and field.name in body:
            yield body[field.name]
        elif field.kind is Kind.PART and field.name in body:
            for part in body[field.name] if field.repeated else [body[field.name]]:
                yield from _texts(part, field.part)


def with_texts(bodies: Sequence[Json], said: Sequence[str]) -> list[Json]:
    """The spans with other texts, in the order that ``texts`` gives."""
    following = iter(said)
    return [_mapped(body, "Span", Kind.TEXT, lambda _: next(following)) for body in bodies]


def in_protojson(body: Json) -> Json:
    """A span in the JSON of protocol buffers: ids in base64, as MLflow's clients read them."""
    return _mapped(body, "Span", Kind.ID, _base64_of_hex)


def _base64_of_hex(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode("ascii")


def _mapped(body: Json, message: str, kind: Kind, change: Callable[[str], str]) -> Json:
    """A copy in which every field of that kind is changed."""
    found = dict(body)
    for field in MESSAGES[message].values():
        if field.name not in body:
            continue
        if field.kind is kind:
            found[field.name] = change(body[field.name])
        elif field.kind is Kind.PART:
            parts = body[field.name] if field.repeated else [body[field.name]]
            mapped = [_mapped(part, field.part, kind, change) for part in parts]
            found[field.name] = mapped if field.repeated else mapped[0]
    return found

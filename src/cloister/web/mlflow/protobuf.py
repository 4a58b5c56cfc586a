"""OTLP's other encoding: protocol buffers on the wire, read into the same JSON.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import NoReturn

from cloister.tracking.spans import DEEPEST, MESSAGES, Field, Json, Kind, is_zero, word_of
from cloister.web.mlflow.errors import Refusal

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_WIRE = {
    Kind.ID: _BYTES,
    Kind.BYTES: _BYTES,
    Kind.TEXT: _BYTES,
    Kind.PART: _BYTES,
    Kind.LONG: _VARINT,
    Kind.COUNT: _VARINT,
    Kind.FLAG: _VARINT,
    Kind.TIME: _EIGHT,
    Kind.NUMBER: _EIGHT,
    Kind.WORD: _FOUR,
}
_LONGEST_VARINT = 10
Wire = int | memoryview
"""A field as it lies on the wire."""


def decode(data: bytes | memoryview, message: str, depth: int = 0) -> Json:
    """The message; raises Refusal for bytes that are none. Of a field that comes twice the
    last counts, parts of it are put together, as every reader of protocol buffers does."""
    if depth > DEEPEST:
        _refuse()
    found: Json = {}
    fields = MESSAGES[message]
    for number, wire, raw in _fields(memoryview(data)):
        field = fields.get(number)
        if field is None or wire != _WIRE[field.kind]:
            continue
        value = _value(field, raw, depth)
        if field.repeated:
            found.setdefault(field.name, []).append(value)
            continue
        if field.oneof:
            for other in fields.values():
                if other.oneof and other.name != field.name:
                    found.pop(other.name, None)
        if field.kind is Kind.PART and field.name in found:
            value = _joined(found[field.name], value)
        if field.oneof or not is_zero(field, value):
            found[field.name] = value
        else:
            found.pop(field.name, None)
    return found


def _joined(first: Json, then: object) -> Json:
    assert isinstance(then, dict)
    return first | {
        name: first[name] + value if isinstance(value, list) and name in first else value
        for name, value in then.items()
    }


def _value(field: Field, raw: Wire, depth: int) -> object:
    if isinstance(raw, int):
        return _of_varint(field, raw)
    if field.kind is Kind.PART:
        return decode(raw, field.part, depth + 1)
    if field.kind is Kind.TEXT:
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError:
            _refuse()
    return _of_bytes(field, bytes(raw))


def _of_varint(field: Field, raw: int) -> object:
    if field.kind is Kind.FLAG:
        return bool(raw)
    if field.kind is Kind.LONG:
        return str(raw - (1 << 64) if raw >> 63 else raw)
    return raw & 0xFFFFFFFF


def _of_bytes(field: Field, raw: bytes) -> object:
    if field.kind is Kind.TIME:
        return str(int.from_bytes(raw, "little"))
    if field.kind is Kind.WORD:
        return int.from_bytes(raw, "little")
    if field.kind is Kind.NUMBER:
        number: float = struct.unpack("<d", raw)[0]
        return word_of(number)
    return raw.hex() if field.kind is Kind.ID else base64.b64encode(raw).decode("ascii")


def _fields(data: memoryview) -> Iterator[tuple[int, int, Wire]]:
    """(number, kind of wire, value) of each field; raises Refusal where it breaks off."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            _refuse()
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in {_EIGHT, _FOUR}:
            size = 8 if wire == _EIGHT else 4
        else:  # groups, which OTLP never had
            _refuse()
        if size > len(data) - at:
            _refuse()
        yield number, wire, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_LONGEST_VARINT):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    return _refuse()


def _refuse() -> NoReturn:
    raise Refusal("BAD_REQUEST", "Invalid OpenTelemetry format: not a message of OTLP")

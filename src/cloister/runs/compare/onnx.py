"""ONNX models: the graph must be equal, floating-point weights and attributes nearly so.

Field numbers are those of onnx.proto3; the wire format is Protocol Buffers'.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator

from cloister.runs.compare.arrays import compare_raw
from cloister.runs.compare.tally import Mismatch, Tally

_MESSAGES = {
    ("model", 7): "graph",
    ("graph", 1): "node",
    ("graph", 5): "tensor",
    ("node", 5): "attribute",
    ("attribute", 5): "tensor",
    ("attribute", 6): "graph",
    ("attribute", 10): "tensor",
    ("attribute", 11): "graph",
}
_PACKED = {("attribute", 7): "f", ("tensor", 4): "f", ("tensor", 10): "d"}
_RAW, _TYPE = 9, 2
_TYPES = {1: "f4", 10: "f2", 11: "f8", 16: "bf16"}
_DEEPEST = 32
_Field = tuple[int, int, bytes | int]


def compare_onnx(tally: Tally, a: bytes, b: bytes) -> None:
    """Two models; raises Mismatch for what is no model."""
    _message(tally, "model", "model", a, b)


def _message(tally: Tally, kind: str, where: str, a: bytes, b: bytes) -> None:
    if where.count("/") > _DEEPEST:
        raise Mismatch(f"{where}: nested too deeply")
    left, right = list(_fields(a)), list(_fields(b))
    tally.same(f"{where} (fields)", [f[:2] for f in left], [f[:2] for f in right])
    element = next((int(v) for n, _, v in left if n == _TYPE and isinstance(v, int)), 0)
    for (number, wire, one), (_, _, other) in zip(left, right, strict=True):
        inner, packed = _MESSAGES.get((kind, number)), _PACKED.get((kind, number))
        here = f"{where}/{inner or number}"
        if isinstance(one, int) or isinstance(other, int):
            tally.same(here, one, other)
        elif inner is not None:
            _message(tally, inner, here, one, other)
        elif wire in {1, 5}:
            code = "<f" if wire == 5 else "<d"
            tally.one(here, *struct.unpack(code, one), *struct.unpack(code, other))
        elif packed is not None:
            tally.all(here, array(packed, one), array(packed, other))
        elif (kind, number) == ("tensor", _RAW):
            compare_raw(tally, here, _TYPES.get(element, ""), one, other)
        else:
            tally.same(here, one, other)


def _fields(data: bytes) -> Iterator[_Field]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(wire, -1)
        if size < 0 or at + size > len(data):
            raise Mismatch("not an ONNX model")
        yield number, wire, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Mismatch("not an ONNX model")

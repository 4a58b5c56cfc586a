"""Scalars in TensorBoard's event files: framed records of a protocol buffer, read without it.

A record is its length (8 bytes, little-endian), a masked CRC-32C of those bytes, the data, and
their masked CRC-32C (TFRecord). The data are a `tensorflow.Event`: wall_time = 1 (double),
step = 2, summary = 5; its repeated value = 1 has tag = 1 and simple_value = 2 or tensor = 8.
Nothing here trusts the file: it was written by a script, and perhaps cut short by its end.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from cloister.tracking.points import Point

MARK = ".tfevents."
"""Stands in the name of every such file."""
_LARGEST_SCALAR = 1 << 16
"""Longer records hold graphs, images, histograms: no scalars worth their reading."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT, _DOUBLE = 1, 2  # tensorflow.DataType
_MASK = 0xA282EAD8

Field = tuple[int, int, int | bytes]
"""Number, wire type, value."""


def scalars(content: bytes) -> Iterator[Point]:
    """The points in an event file, in its order, until its end or its first damage."""
    for record in _records(memoryview(content)):
        try:
            yield from _of_event(record)
        except ValueError:
            return


def _records(content: memoryview) -> Iterator[bytes]:
    at = 0
    while at + 12 <= len(content):
        head = bytes(content[at : at + 8])
        (size,) = struct.unpack("<Q", head)
        (check,) = struct.unpack_from("<I", content, at + 8)
        end = at + 12 + size
        if check != _masked(head) or end + 4 > len(content):
            return
        if size <= _LARGEST_SCALAR:
            data = bytes(content[at + 12 : end])
            if struct.unpack_from("<I", content, end)[0] != _masked(data):
                return
            yield data
        at = end + 4


def _of_event(data: bytes) -> Iterator[Point]:
    wall_s, step, summaries = 0.0, 0, []
    for number, kind, value in _fields(data):
        if (number, kind) == (1, _FIXED64) and isinstance(value, bytes):
            (wall_s,) = struct.unpack("<d", value)
        elif (number, kind) == (2, _VARINT) and isinstance(value, int):
            step = value - (1 << 64) if value >> 63 else value
        elif (number, kind) == (5, _BYTES) and isinstance(value, bytes):
            summaries.append(value)
    time_ms = int(wall_s * 1000) if math.isfinite(wall_s) and 0 <= wall_s < 2**43 else 0
    for summary in summaries:
        for number, _, one in _fields(summary):
            if number == 1 and isinstance(one, bytes):
                tag, said = _of_value(one)
                if tag and said is not None:
                    yield Point(tag, said, time_ms, step)


def _of_value(data: bytes) -> tuple[str, float | None]:
    tag, found = "", None
    for number, kind, value in _fields(data):
        if not isinstance(value, bytes):
            continue
        if number == 1 and kind == _BYTES:
            tag = value.decode("utf-8", "replace")
        elif number == 2 and kind == _FIXED32:
            (found,) = struct.unpack("<f", value)
        elif number == 8 and kind == _BYTES:
            found = _of_tensor(value)
    return tag, found


def _of_tensor(data: bytes) -> float | None:
    """The number in a tensor of one float or double; None for any other."""
    kind, shape, number = 0, b"", b""
    for field, wire, value in _fields(data):
        if field == 1 and wire == _VARINT and isinstance(value, int):
            kind = value
        elif field == 2 and isinstance(value, bytes):
            shape = value
        elif field in {4, 5, 6} and isinstance(value, bytes):
            number = value  # tensor_content, float_val or double_val
    if shape:  # it has dimensions, and so is no scalar
        return None
    if kind == _FLOAT and len(number) == 4:
        return float(struct.unpack("<f", number)[0])
    if kind == _DOUBLE and len(number) == 8:
        return float(struct.unpack("<d", number)[0])
    return None


def _fields(data: bytes) -> Iterator[Field]:
    """The fields of one message; raises ValueError where it is none."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, kind, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in {_FIXED32, _FIXED64}:
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError("no such wire type")
        if at + size > len(data):
            raise ValueError("a field is cut short")
        yield number, kind, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
    raise ValueError("a number is cut short")


def _masked(data: bytes) -> int:
    """CRC-32C, rotated and shifted as TFRecord has it."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFF_FFFF
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFF_FFFF


def _row(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0x82F6_3B78 if byte & 1 else byte >> 1  # Castagnoli, reflected
    return byte


_TABLE = tuple(map(_row, range(256)))

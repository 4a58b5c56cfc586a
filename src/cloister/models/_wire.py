"""A bounded reader of protobuf's wire format: what is there, without building any of it.

It walks offsets, copies nothing, and refuses where lenient parsers disagree with each other:
unknown fields, a wire type other than the declared one, a singular field that comes twice.
Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cloister.core.errors import BadInput

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_VALUE = {
    VARINT: rb"[\x80-\xff]{0,9}[\x00-\x7f]",
    FIXED64: rb".{8}",
    FIXED32: rb".{4}",
}
_RUN = 4096  # repeats a single match takes: bounds what the matcher remembers
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """One field of a message type, as its .proto declares it."""

    number: int
    wire: int
    message: str = ""
    """The message type inside, ``text`` for words a person wrote, or nothing."""
    repeated: bool = False
    run: re.Pattern[bytes] | None = None
    """Matches many neighbouring elements at once, where their content does not matter."""


Schema = Mapping[int, Field]


class Found(NamedTuple):
    """One field as it stands in the file."""

    field: Field
    value: int
    """Of a varint; 0 for all others."""
    start: int
    end: int
    """Where its content lies."""


@dataclass(slots=True)
class Budget:
    """How many fields may still be read, so that a hostile file costs seconds at most."""

    fields: int

    def spend(self) -> None:
        """One field less; raises BadInput when none is left."""
        self.fields -= 1
        if self.fields < 0:
            raise BadInput("not a servable model: it has more parts than any real one")


def number(at: int, wire: int, *, repeated: bool = False) -> Field:
    """A numeric field; a repeated one may be packed or not, as parsers must accept both."""
    if not repeated:
        return Field(at, wire)
    one = re.escape(_varint_bytes(at << 3 | wire)) + _VALUE[wire]
    return Field(at, wire, "", True, re.compile(b"(?:%s){1,%d}+" % (one, _RUN), re.DOTALL))


def words(at: int) -> Field:
    """A repeated string; neighbours shorter than 32 bytes are taken many at once."""
    lengths = b"|".join(re.escape(bytes([size])) + b".{%d}" % size for size in range(32))
    tag = re.escape(_varint_bytes(at << 3 | LENGTH))
    run = re.compile(b"(?:%s(?:%s)){1,%d}+" % (tag, lengths, _RUN), re.DOTALL)
    return Field(at, LENGTH, "", True, run)


def _varint_bytes(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A base-128 number and the offset behind it; raises BadInput past ``end`` or 64 bits."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, at
        shift += 7
    raise BadInput("not a readable model: a number in it is cut off or too long")


def read_fields(
    data: bytes, start: int, end: int, schema: Schema, budget: Budget
) -> Iterator[Found]:
    """The fields of the message at ``data[start:end]``, in order.

    Raises BadInput at the first byte that is not exactly what ``schema`` allows.
    """
    at, seen = start, 0
    while at < end:
        budget.spend()
        first = at
        tag, at = (data[at], at + 1) if data[at] < 0x80 else read_varint(data, at, end)
        field = schema.get(tag >> 3)
        if field is None:
            raise BadInput("not a readable model: it holds a field that its format lacks")
        if not field.repeated and seen >> field.number & 1:
            raise BadInput("not a readable model: a field that may come once comes twice")
        seen |= 1 << field.number
        found = _content(data, at, end, tag & 7, field)
        at = found.end
        yield found
        if field.run is not None and (more := field.run.match(data, first, end)):
            at = max(at, more.end())


def _content(data: bytes, at: int, end: int, wire: int, field: Field) -> Found:
    packed = wire == LENGTH and field.run is not None
    if wire != field.wire and not packed:
        raise BadInput("not a readable model: a field of it has the wrong wire type")
    if wire == VARINT:
        value, behind = read_varint(data, at, end)
        return Found(field, value, at, behind)
    size = _FIXED_BYTES.get(wire, 0)
    if wire == LENGTH:
        size, at = read_varint(data, at, end)
    if size > end - at:
        raise BadInput("not a readable model: it ends in the middle of a field")
    return Found(field, 0, at, at + size)

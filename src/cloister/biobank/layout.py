"""A table taken apart and put together again: docs/formats/table-layout.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from cloister.core.errors import Tampered

LAYOUT_MAGIC = b"CLTL\x01"
ROWS_MAGIC = b"CLRW\x01"


class Run(NamedTuple):
    """Neighbouring rows of one part."""

    part: int
    rows: int


class Order:
    """Which rows follow which, as they will be stored: a few bytes a row, however many."""

    def __init__(self) -> None:
        self._encoded = bytearray()
        self._steps = 0

    def run(self, part: int, rows: int) -> None:
        """Rows of one part come next."""
        self._encoded += varint(part + 1) + varint(rows)
        self._steps += 1

    def blank(self, text: bytes) -> None:
        """A line of delimiters and white space comes next."""
        self._encoded += b"\0" + varint(len(text)) + text
        self._steps += 1

    def encode(self) -> bytes:
        """The last field of a layout object."""
        return varint(self._steps) + self._encoded


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything of a table but its rows: its header, and the order of the parts."""

    delimiter: str
    column: int
    header: bytes
    """As it is in the file, with byte-order mark and line end."""
    order: bytes
    """As ``Order`` encodes it."""

    def encode(self) -> bytes:
        """The layout object."""
        head = LAYOUT_MAGIC + self.delimiter.encode("ascii") + varint(self.column)
        return head + varint(len(self.header)) + self.header + self.order

    @classmethod
    def decode(cls, encoded: bytes) -> Layout:
        """The layout in ``encoded``; raises Tampered when it is not one."""
        reader = _Reader(encoded, LAYOUT_MAGIC)
        delimiter = reader.take(1).decode("ascii", "replace")
        column = reader.number()
        header = reader.take(reader.number())
        return cls(delimiter, column, header, reader.rest())

    def steps(self) -> Iterator[Run | bytes]:
        """The order, one run of rows or blank line after the other; raises Tampered."""
        reader = _Reader(self.order, b"")
        for _ in range(reader.number()):
            part, count = reader.number(), reader.number()
            yield Run(part - 1, count) if part else reader.take(count)
        reader.finish()


@dataclass(frozen=True, slots=True)
class Joined:
    """A table put together from the parts at hand."""

    content: bytes
    rows: int
    missing_rows: int
    """Rows of parts that were not given: erased, or left out of training."""
    missing_parts: int


def join(layout: bytes, parts: Mapping[int, bytes]) -> Joined:
    """The table, byte for byte when every part is given; the rows of absent parts are left out.

    Raises Tampered when a part holds another number of rows than the layout says.
    """
    plan = Layout.decode(layout)
    readers = {number: rows_of(part) for number, part in parts.items()}
    out, rows, missing_rows = [plan.header], 0, 0
    missing: set[int] = set()
    for step in plan.steps():
        if isinstance(step, bytes):
            out.append(step)
        elif step.part in readers:
            out.extend(_next_rows(readers[step.part], step.rows))
            rows += step.rows
        else:
            missing_rows += step.rows
            missing.add(step.part)
    for reader in readers.values():
        if next(reader, None) is not None:
            raise Tampered("a table's part holds more rows than its layout says")
    return Joined(b"".join(out), rows, missing_rows, len(missing))


def _next_rows(reader: Iterator[bytes], count: int) -> list[bytes]:
    found = list(islice(reader, count))
    if len(found) != count:
        raise Tampered("a table's part holds fewer rows than its layout says")
    return found


def rows_of(part: bytes) -> Iterator[bytes]:
    """The rows in one part's object, each as it was in the file; raises Tampered."""
    reader = _Reader(part, ROWS_MAGIC)
    sizes = [reader.number() for _ in range(reader.number())]
    for size in sizes:
        yield reader.take(size)
    reader.finish()


def rows_header(sizes: Sequence[int]) -> bytes:
    """What goes before the rows themselves in a part's object."""
    out = bytearray(ROWS_MAGIC)
    out += varint(len(sizes))
    out += b"".join([varint(size) for size in sizes])
    return bytes(out)


def varint(value: int) -> bytes:
    """Unsigned LEB128: seven bits a byte, lowest first."""
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Reader:
    """Takes a format apart; everything it cannot find is Tampered."""

    def __init__(self, encoded: bytes, magic: bytes) -> None:
        self._encoded = encoded
        self._at = 0
        if self.take(len(magic)) != magic:
            raise Tampered("not a part of a table, or of a version this one does not know")

    def take(self, size: int) -> bytes:
        start, self._at = self._at, self._at + size
        if self._at > len(self._encoded):
            raise Tampered("a part of a table ends too early")
        return self._encoded[start : self._at]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise Tampered("a part of a table holds a number that is too large")

    def rest(self) -> bytes:
        """All that has not been taken."""
        return self.take(len(self._encoded) - self._at)

    def finish(self) -> None:
        if self._at != len(self._encoded):
            raise Tampered("a part of a table has bytes after its end")

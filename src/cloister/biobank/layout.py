"""A table taken apart and put together again: docs/formats/table-layout.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from cloister.core.errors import Tampered

LAYOUT_MAGIC = b"CLTL\x01"
ROWS_MAGIC = b"CLRW\x01"


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring rows of one part."""

    part: int
    rows: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything of a table but its rows: its header, and the order of the parts."""

    delimiter: str
    column: int
    header: bytes
    """As it is in the file, with byte-order mark and line end."""
    order: tuple[Run | bytes, ...]
    """Bytes are blank lines: delimiters and white space only."""

    @property
    def parts(self) -> int:
        """How many there are."""
        return 1 + max((run.part for run in self.order if isinstance(run, Run)), default=-1)

    def encode(self) -> bytes:
        """The layout object."""
        out = bytearray(LAYOUT_MAGIC)
        out += self.delimiter.encode("ascii")
        out += varint(self.column) + varint(len(self.header)) + self.header
        out += varint(len(self.order))
        for step in self.order:
            if isinstance(step, Run):
                out += varint(step.part + 1) + varint(step.rows)
            else:
                out += b"\0" + varint(len(step)) + step
        return bytes(out)

    @classmethod
    def decode(cls, encoded: bytes) -> Layout:
        """The layout in ``encoded``; raises Tampered when it is not one."""
        reader = _Reader(encoded, LAYOUT_MAGIC)
        delimiter = reader.take(1).decode("ascii", "replace")
        column = reader.number()
        header = reader.take(reader.number())
        order: list[Run | bytes] = []
        for _ in range(reader.number()):
            part = reader.number()
            count = reader.number()
            order.append(Run(part - 1, count) if part else reader.take(count))
        reader.finish()
        return cls(delimiter, column, header, tuple(order))


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
    for step in plan.order:
        if isinstance(step, bytes):
            out.append(step)
        elif step.part in readers:
            out.extend(_next_rows(readers[step.part], step.rows))
            rows += step.rows
        else:
            missing_rows += step.rows
            missing.add(step.part)
    for number, reader in readers.items():
        if number >= plan.parts or next(reader, None) is not None:
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

    def finish(self) -> None:
        if self._at != len(self._encoded):
            raise Tampered("a part of a table has bytes after its end")

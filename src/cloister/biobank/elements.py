"""Whether a DICOM file is whole: every data element measured, none decoded (PS3.5 section 7).

pydicom forgives a value that ends early and jumps over what it was not asked for, so a
truncated file reads like a good one. This walk looks at tags and lengths only.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO
from struct import Struct
from typing import BinaryIO

from cloister.biobank.items import Quarantine

MAGIC_AT = 128
MAGIC = b"DICM"
INFLATED_BYTES = 256 << 20
_DEEPEST = 50  # sequences in sequences; far beyond any real object
_UNDEFINED = 0xFFFFFFFF
_LONG = {
    b"OB",
    b"OD",
    b"OF",
    b"OL",
    b"OV",
    b"OW",
    b"SQ",
    b"SV",
    b"UC",
    b"UN",
    b"UR",
    b"UT",
    b"UV",
}
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
_TRANSFER_SYNTAX = 0x00020010
_FIRST_GROUPS = {0x0002, 0x0004, 0x0008}
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
NATIVE = {IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG}


class Broken(Exception):
    """The elements cannot be followed to the end of the file."""

    def __init__(self, why: Quarantine) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Structure:
    """What the lengths of a file's elements add up to."""

    transfer_syntax: str
    """As the file says; guessed from the first element where it does not."""
    pixel_bytes: int | None = None
    """Of native pixel data; None when there is none, or it is encapsulated."""
    encapsulated: bool = False


def measure(stream: BinaryIO, size: int) -> Structure:
    """Follows all elements of the file in ``stream`` to its end; raises Broken, OSError."""
    stream.seek(MAGIC_AT)
    marked = stream.read(4) == MAGIC
    if not marked:
        stream.seek(0)
    start = stream.tell()
    meta = _Elements(stream, start, size, implicit=False, big=False)
    syntax, dataset = meta.transfer_syntax(marked)
    if syntax == DEFLATED:
        stream.seek(dataset)
        stream = _inflated(stream)
        dataset, size = 0, stream.seek(0, 2)
    if not syntax:
        syntax = _guess(stream, dataset)
    elements = _Elements(
        stream, dataset, size, implicit=syntax == IMPLICIT_LITTLE, big=syntax == EXPLICIT_BIG
    )
    elements.all()
    return Structure(syntax, elements.pixel_bytes, elements.encapsulated)


def _inflated(stream: BinaryIO) -> BytesIO:
    """PS3.5 A.5: everything after the meta information is one raw deflate stream."""
    inflater, out = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    while not inflater.eof:
        block = inflater.unconsumed_tail or stream.read(1 << 16)
        if not block:
            raise Broken(Quarantine.DICOM_TRUNCATED)
        try:
            out += inflater.decompress(block, 1 << 22)
        except zlib.error:
            raise Broken(Quarantine.DICOM_MALFORMED) from None
        if len(out) > INFLATED_BYTES:
            raise Broken(Quarantine.DICOM_TOO_LARGE)
    return BytesIO(out)


def _guess(stream: BinaryIO, at: int) -> str:
    """The encoding of a data set that names none, from its first element."""
    stream.seek(at)
    head = stream.read(6)
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    if not explicit:
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if head[:1] == b"\0" and head[1:2] != b"\0" else EXPLICIT_LITTLE


class _Elements:
    """A walk over the elements between two places of a file."""

    def __init__(
        self, stream: BinaryIO, at: int, end: int, *, implicit: bool, big: bool
    ) -> None:
        self._stream = stream
        self._at = at
        self._end = end
        self._implicit = implicit
        order = ">" if big else "<"
        self._head = Struct(order + "HH2sH").unpack
        self._plain_head = Struct(order + "HHL").unpack
        self._long = Struct(order + "L").unpack
        self.pixel_bytes: int | None = None
        self.encapsulated = False

    def transfer_syntax(self, marked: bool) -> tuple[str, int]:
        """What the meta information names, and where the data set begins (PS3.10 7.1)."""
        syntax = ""
        while self._at < self._end:
            start = self._at
            self._stream.seek(start)
            first = int.from_bytes(self._stream.read(2), "little")
            if first != 0x0002:
                if start == 0 and not marked and first not in _FIRST_GROUPS | {0x0800}:
                    raise Broken(Quarantine.NOT_DICOM)
                self._at = start
                break
            self._stream.seek(start)
            tag, size = self._element()
            value_at = self._at
            self._skip(size)
            if tag == _TRANSFER_SYNTAX:
                self._stream.seek(value_at)
                syntax = self._stream.read(size).rstrip(b" \0").decode("ascii", "replace")
        return syntax, self._at

    def all(self) -> None:
        """Every element of the data set, to the end of the file."""
        self._stream.seek(self._at)
        while self._end - self._at >= 8:
            tag, size = self._element()
            if not tag and not size:
                break  # zero padding after the last element
            if tag in _PIXELS:
                self.encapsulated = size == _UNDEFINED
                self.pixel_bytes = None if self.encapsulated else size
            self._value(tag, size, _DEEPEST)

    def _element(self) -> tuple[int, int]:
        """The tag and length of the element here; leaves the stream at its value."""
        head = self._stream.read(8)
        if len(head) < 8:
            raise Broken(Quarantine.DICOM_TRUNCATED)
        group, element, vr, size = self._head(head)
        self._at += 8
        if self._implicit or group == 0xFFFE or not (vr.isalpha() and vr.isupper()):
            group, element, size = self._plain_head(head)  # some writers switch in mid-file
        elif vr in _LONG:
            longer = self._stream.read(4)
            if len(longer) < 4:
                raise Broken(Quarantine.DICOM_TRUNCATED)
            size = self._long(longer)[0]
            self._at += 4
        return group << 16 | element, size

    def _value(self, tag: int, size: int, levels: int) -> None:
        if size == _UNDEFINED:
            self._items(tag, levels)
        else:
            self._skip(size)

    def _skip(self, size: int) -> None:
        if size == _UNDEFINED:
            raise Broken(Quarantine.DICOM_MALFORMED)
        self._at += size
        if self._at > self._end:
            raise Broken(Quarantine.DICOM_TRUNCATED)
        self._stream.seek(self._at)

    def _items(self, tag: int, levels: int) -> None:
        """A sequence, or the fragments of encapsulated pixels, up to its delimiter."""
        if not levels:
            raise Broken(Quarantine.DICOM_MALFORMED)
        while True:
            item, size = self._element()
            if item == _SEQUENCE_END:
                return
            if item != _ITEM:
                raise Broken(Quarantine.DICOM_MALFORMED)
            if size != _UNDEFINED:
                self._skip(size)
            elif tag in _PIXELS:
                raise Broken(Quarantine.DICOM_MALFORMED)
            else:
                self._item(levels - 1)

    def _item(self, levels: int) -> None:
        while True:
            tag, size = self._element()
            if tag == _ITEM_END:
                return
            self._value(tag, size, levels)

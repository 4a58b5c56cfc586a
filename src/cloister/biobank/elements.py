"""Whether a DICOM file is whole: every data element measured, none decoded (PS3.5 section 7).

pydicom forgives a value that ends early and jumps over what it was not asked for, so a
truncated file reads like a good one. This walk looks at tags and lengths only, and hands on
the few elements that are wanted: no length in a hostile file reaches a parser that trusts it.
"""

from __future__ import annotations

import zlib
from collections.abc import Container
from dataclasses import dataclass, field, replace
from io import BytesIO
from struct import Struct
from typing import BinaryIO

from cloister.biobank.items import Quarantine

MAGIC_AT = 128
MAGIC = b"DICM"
INFLATED_BYTES = 256 << 20
"""A deflated data set that is larger is not read."""
_MOST_ELEMENTS = 4_000_000
_LONGEST_WANTED = 1 << 16
_DEEPEST = 50  # sequences in sequences; far beyond any real object
_UNDEFINED = 0xFFFFFFFF
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # PS3.5 table 7.1-1
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
_MEDIA_CLASS, _TRANSFER_SYNTAX = 0x00020002, 0x00020010
# A file without preamble begins with meta information, a directory or an identification.
_FIRST_TAGS = (b"\x02\x00", b"\x04\x00", b"\x08\x00", b"\x00\x08")
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
_DIRECTORY = "1.2.840.10008.1.3.10"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
NATIVE = frozenset((IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG))


class _Broken(Exception):
    """The elements cannot be followed to the end of the file."""

    def __init__(self, why: Quarantine) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Structure:
    """What a file's elements add up to, and the few that were asked for."""

    transfer_syntax: str
    """As the file says; guessed from the first element where it does not."""
    directory: bool = False
    """Whether it is a DICOMDIR (PS3.3 F): only those have a group 0004."""
    quarantine: Quarantine | None = None
    """Why the elements could not be followed to the end."""
    index: bytes = field(default=b"", repr=False)
    """The elements asked for, as they are in the file: a small data set of its own."""
    pixel_bytes: int | None = None
    """Of native pixel data; None when there is none, or it is encapsulated."""
    encapsulated: bool = False

    @property
    def implicit(self) -> bool:
        """Whether elements come without their type."""
        return self.transfer_syntax == IMPLICIT_LITTLE

    @property
    def big(self) -> bool:
        """Whether numbers have their high byte first."""
        return self.transfer_syntax == EXPLICIT_BIG


def measure(stream: BinaryIO, size: int, wanted: Container[int]) -> Structure:
    """Follows all elements of a file to its end, and collects those whose tag is wanted.

    Raises OSError only: what is wrong with the file is part of the result.
    """
    found = Structure(EXPLICIT_LITTLE)
    try:
        found, at = _meta(stream, size)
        if found.transfer_syntax == DEFLATED:
            stream.seek(at)
            stream = _inflated(stream)
            at, size = 0, stream.seek(0, 2)
    except _Broken as broken:
        return replace(found, quarantine=broken.why)
    elements = _Elements(stream, at, size, found)
    why = None
    try:
        elements.collect(wanted)
    except _Broken as broken:
        why = broken.why
    return replace(
        found,
        quarantine=why,
        index=bytes(elements.index),
        pixel_bytes=elements.pixel_bytes,
        encapsulated=elements.encapsulated,
    )


def _meta(stream: BinaryIO, size: int) -> tuple[Structure, int]:
    """The meta information (PS3.10 7.1), always explicit little endian, and where it ends."""
    stream.seek(MAGIC_AT)
    marked = stream.read(4) == MAGIC
    at = MAGIC_AT + 4 if marked else 0
    stream.seek(at)
    if not marked and stream.read(2) not in _FIRST_TAGS:
        raise _Broken(Quarantine.NOT_DICOM)
    meta = _Elements(stream, at, size, Structure(EXPLICIT_LITTLE))
    values = meta.values_of_group(b"\x02\x00")
    stream.seek(meta.at)
    first = stream.read(6)
    syntax = values.get(_TRANSFER_SYNTAX) or _guess(first)
    directory = values.get(_MEDIA_CLASS) == _DIRECTORY or first[:2] in (b"\4\0", b"\0\4")
    return Structure(syntax, directory), meta.at


def _guess(head: bytes) -> str:
    """The encoding of a data set that names none, from its first element."""
    if not (head[4:6].isalpha() and head[4:6].isupper()):
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if head[:1] == b"\0" and head[1:2] != b"\0" else EXPLICIT_LITTLE


def _inflated(stream: BinaryIO) -> BytesIO:
    """PS3.5 A.5: everything after the meta information is one raw deflate stream."""
    inflater, out = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    while not inflater.eof:
        block = inflater.unconsumed_tail or stream.read(1 << 16)
        if not block:
            raise _Broken(Quarantine.DICOM_TRUNCATED)
        try:
            out += inflater.decompress(block, 1 << 22)
        except zlib.error:
            raise _Broken(Quarantine.DICOM_MALFORMED) from None
        if len(out) > INFLATED_BYTES:
            raise _Broken(Quarantine.DICOM_TOO_LARGE)
    return BytesIO(out)


class _Elements:
    """A walk over the elements from one place of a file to its end."""

    def __init__(self, stream: BinaryIO, at: int, end: int, form: Structure) -> None:
        self.at = at
        self.index = bytearray()
        self.pixel_bytes: int | None = None
        self.encapsulated = False
        self._stream = stream
        self._end = end
        self._implicit = form.implicit
        order = ">" if form.big else "<"
        self._typed = Struct(order + "HH2sH").unpack
        self._untyped = Struct(order + "HHL").unpack
        self._long = Struct(order + "L").unpack
        self._left = _MOST_ELEMENTS

    def values_of_group(self, group: bytes) -> dict[int, str]:
        """The short values of the elements that begin so, up to the first that does not."""
        values: dict[int, str] = {}
        while self.at < self._end:
            self._stream.seek(self.at)
            if self._stream.read(2) != group:
                break
            self._stream.seek(self.at)
            tag, size = self._element()
            text = self._stream.read(min(size, 64))
            values[tag] = text.rstrip(b" \0").decode("ascii", "replace")
            self._skip(size)
        return values

    def collect(self, wanted: Container[int]) -> None:
        """Every element of the data set to the end of the file, and the wanted ones' bytes."""
        self._stream.seek(self.at)
        while self._end - self.at >= 8:
            start = self.at
            tag, size = self._element()
            if not tag and not size:
                return  # zero padding after the last element
            if tag in wanted and size <= _LONGEST_WANTED:
                self._keep(start, size)
            elif size != _UNDEFINED:
                if tag in _PIXELS:
                    self.pixel_bytes = size
                self._skip(size)
            else:
                self.encapsulated |= tag in _PIXELS
                self._items(tag, _DEEPEST)

    def _keep(self, start: int, size: int) -> None:
        value_at = self.at
        self._skip(size)  # checks that it is there
        self._stream.seek(start)
        self.index += self._stream.read(value_at - start + size)

    def _element(self) -> tuple[int, int]:
        """The tag and length of the element here; leaves the stream at its value."""
        head = self._stream.read(8)
        if len(head) < 8:
            raise _Broken(Quarantine.DICOM_TRUNCATED)
        self._left -= 1
        if not self._left:
            raise _Broken(Quarantine.DICOM_TOO_LARGE)
        group, element, vr, size = self._typed(head)
        self.at += 8
        if self._implicit or group == 0xFFFE or not (vr.isalpha() and vr.isupper()):
            group, element, size = self._untyped(head)  # some writers switch in mid-file
        elif vr in _LONG:
            longer = self._stream.read(4)
            if len(longer) < 4:
                raise _Broken(Quarantine.DICOM_TRUNCATED)
            size = self._long(longer)[0]
            self.at += 4
        return group << 16 | element, size

    def _skip(self, size: int) -> None:
        self.at += size
        if self.at > self._end:
            raise _Broken(Quarantine.DICOM_TRUNCATED)
        self._stream.seek(self.at)

    def _items(self, tag: int, levels: int) -> None:
        """A sequence, or the fragments of encapsulated pixels, up to its delimiter."""
        if not levels:
            raise _Broken(Quarantine.DICOM_MALFORMED)
        while True:
            item, size = self._element()
            if item == _SEQUENCE_END:
                return
            if item != _ITEM or (size == _UNDEFINED and tag in _PIXELS):
                raise _Broken(Quarantine.DICOM_MALFORMED)
            if size == _UNDEFINED:
                self._item(levels - 1)
            else:
                self._skip(size)

    def _item(self, levels: int) -> None:
        """The elements of one item, up to its delimiter."""
        while True:
            tag, size = self._element()
            if tag == _ITEM_END:
                return
            if size == _UNDEFINED:
                self._items(tag, levels)
            else:
                self._skip(size)

"""Whether a PNG or JPEG file is whole: its structure followed to the end, nothing decoded."""

from __future__ import annotations

import zlib
from struct import Struct
from typing import BinaryIO

from cloister.biobank.items import Quarantine

SUFFIXES = (".png", ".jpg", ".jpeg")
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_BLOCK = 1 << 20
_CHUNK = Struct(">L4s")
_EOI, _SOS = b"\xff\xd9", 0xDA
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a segment (ITU-T T.81 B.1.1.3)."""


def is_picture(path: str, beginning: bytes) -> bool:
    """By content, or by name: what is named as a picture and is none must be told."""
    return beginning.startswith((PNG, JPEG)) or path.lower().endswith(SUFFIXES)


def problem(stream: BinaryIO) -> Quarantine | None:
    """Why the file in ``stream`` is not a whole picture; raises OSError."""
    beginning = stream.read(len(PNG))
    if beginning == PNG:
        return _png(stream)
    if beginning.startswith(JPEG):
        return _jpeg(stream)
    return Quarantine.NOT_AN_IMAGE


def _png(stream: BinaryIO) -> Quarantine | None:
    """Every chunk's checksum, up to IEND (ISO/IEC 15948, 5.3); what follows is ignored."""
    while True:
        head = stream.read(_CHUNK.size)
        if len(head) < _CHUNK.size:
            return Quarantine.IMAGE_TRUNCATED
        size, kind = _CHUNK.unpack(head)
        checksum = zlib.crc32(kind)
        while size:
            block = stream.read(min(size, _BLOCK))
            if not block:
                return Quarantine.IMAGE_TRUNCATED
            checksum = zlib.crc32(block, checksum)
            size -= len(block)
        stored = stream.read(4)
        if len(stored) < 4:
            return Quarantine.IMAGE_TRUNCATED
        if int.from_bytes(stored, "big") != checksum:
            return Quarantine.IMAGE_MALFORMED
        if kind == b"IEND":
            return None


def _jpeg(stream: BinaryIO) -> Quarantine | None:
    """Segments up to the first scan, then an end of image (ITU-T T.81 B.1, B.2)."""
    stream.seek(2)
    while True:
        marker = stream.read(2)
        if len(marker) < 2:
            return Quarantine.IMAGE_TRUNCATED
        while marker == b"\xff\xff":  # fill bytes
            marker = marker[1:] + stream.read(1)
        if marker[0] != 0xFF:
            return Quarantine.IMAGE_MALFORMED
        if marker == _EOI:
            return Quarantine.IMAGE_MALFORMED  # an image without a scan
        if marker[1] in _BARE:
            continue
        size = int.from_bytes(stream.read(2), "big")
        if size < 2:
            return Quarantine.IMAGE_TRUNCATED
        if len(stream.read(size - 2)) < size - 2:
            return Quarantine.IMAGE_TRUNCATED
        if marker[1] == _SOS:
            return None if _ends(stream) else Quarantine.IMAGE_TRUNCATED


def _ends(stream: BinaryIO) -> bool:
    """Whether an end of image follows: coded data never hold its two bytes (B.1.1.5)."""
    last = b""
    while block := stream.read(_BLOCK):
        if _EOI in last + block:
            return True
        last = block[-1:]
    return False

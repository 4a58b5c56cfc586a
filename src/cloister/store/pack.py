"""Packs: many small sealed objects in one blob that can tell what it holds.

The format is docs/formats/pack.md. The table at the end names every object by its SHA-256
and the pack is named by the SHA-256 of its end, so the name commits to every byte.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cloister.core.errors import Tampered

MARK = b"cloister pack 1\n"
_ENTRY = struct.Struct(">32sI")
_COUNT = struct.Struct(">I")
_TRAILER_BYTES = _COUNT.size + len(MARK)
_LARGEST_BYTES = 16 << 20  # what a reader must be ready to hold in memory
_TAIL_GUESS_BYTES = 128 << 10  # the whole table of 3,600 objects in one read


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a pack holds one object."""

    name: str
    """SHA-256 of the sealed object, hex."""
    start_byte: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that is ready to be stored."""

    pack_id: str
    content: bytes
    entries: tuple[Entry, ...]


def build_pack(objects: Mapping[str, bytes]) -> Pack:
    """The pack of sealed objects by name, in the order given."""
    entries, start = [], len(MARK)
    for name, sealed in objects.items():
        entries.append(Entry(name, start, len(sealed)))
        start += len(sealed)
    table = [_ENTRY.pack(bytes.fromhex(e.name), e.size_bytes) for e in entries]
    tail = b"".join([*table, _COUNT.pack(len(entries)), MARK])
    content = b"".join([MARK, *objects.values(), tail])
    return Pack(hashlib.sha256(tail).hexdigest(), content, tuple(entries))


def read_entries(
    pack_id: str, size_bytes: int, read_at: Callable[[int, int], bytes]
) -> list[Entry]:
    """What the pack of that name and size holds, from its end alone; raises Tampered."""
    check_size(pack_id, size_bytes)
    guess = min(size_bytes, _TAIL_GUESS_BYTES)
    end = read_at(size_bytes - guess, guess)
    tail_bytes = _tail_bytes(pack_id, end)
    if len(MARK) + tail_bytes > size_bytes:
        raise _damaged(pack_id, "its table is longer than the pack")
    if tail_bytes > len(end):
        end = read_at(size_bytes - tail_bytes, tail_bytes)
    tail = end[len(end) - tail_bytes :]
    if hashlib.sha256(tail).hexdigest() != pack_id:
        raise _damaged(pack_id, "its table is not the one its name commits to")
    return _parse_table(pack_id, tail, size_bytes)


def check_pack(pack_id: str, content: bytes) -> tuple[list[Entry], list[Entry]]:
    """The sound and the damaged objects of a whole pack; raises Tampered without a table."""
    entries = read_entries(
        pack_id, len(content), lambda start, size: content[start : start + size]
    )
    if not content.startswith(MARK):
        raise _damaged(pack_id, "it does not begin with the mark of a pack")
    sound: list[Entry] = []
    damaged: list[Entry] = []
    view = memoryview(content)
    for entry in entries:
        piece = view[entry.start_byte : entry.start_byte + entry.size_bytes]
        matches = hashlib.sha256(piece).hexdigest() == entry.name
        (sound if matches else damaged).append(entry)
    return sound, damaged


def check_size(pack_id: str, size_bytes: int) -> None:
    """Raises Tampered for a blob that is too large to be a pack."""
    if size_bytes > _LARGEST_BYTES:
        raise _damaged(pack_id, f"expected at most {_LARGEST_BYTES} bytes, found {size_bytes}")


def _tail_bytes(pack_id: str, end: bytes) -> int:
    if len(end) < _TRAILER_BYTES or not end.endswith(MARK):
        raise _damaged(pack_id, "it does not end with the mark of a pack")
    (count,) = _COUNT.unpack_from(end, len(end) - _TRAILER_BYTES)
    return int(count) * _ENTRY.size + _TRAILER_BYTES


def _parse_table(pack_id: str, tail: bytes, size_bytes: int) -> list[Entry]:
    entries, start = [], len(MARK)
    for digest, size in _ENTRY.iter_unpack(tail[:-_TRAILER_BYTES]):
        entries.append(Entry(digest.hex(), start, size))
        start += size
    if start + len(tail) != size_bytes:
        raise _damaged(pack_id, f"expected {start + len(tail)} bytes, found {size_bytes}")
    return entries


def _damaged(pack_id: str, how: str) -> Tampered:
    return Tampered(
        f"pack {pack_id} is damaged: {how}",
        hint="restore the file from the second copy, then run a scrub",
    )

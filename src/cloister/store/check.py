"""Whether a blob is what its key says, without any key of the key service."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cloister.store.backend import Backend
from cloister.store.layout import content_id, is_pack
from cloister.store.pack import Entry, check_pack, check_size, read_entries

_PIECE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class BlobCheck:
    """The objects of one blob, by whether their bytes hash to their names."""

    size_bytes: int
    sound: tuple[Entry, ...]
    damaged: tuple[Entry, ...]


def check_blob(backend: Backend, key: str) -> BlobCheck:
    """Reads and hashes a whole blob; raises Tampered when a pack's table is broken."""
    size = backend.stat(key).size_bytes
    if is_pack(key):
        check_size(content_id(key), size)
        sound, damaged = check_pack(content_id(key), backend.get(key, 0, size))
        return BlobCheck(size, tuple(sound), tuple(damaged))
    only = (Entry(content_id(key), 0, size),)
    if _sha256(backend, key, size) == content_id(key):
        return BlobCheck(size, only, ())
    return BlobCheck(size, (), only)


def claimed_entries(backend: Backend, key: str) -> list[Entry]:
    """What a blob says it holds, from its name and its end alone; raises Tampered."""
    size = backend.stat(key).size_bytes
    if not is_pack(key):
        return [Entry(content_id(key), 0, size)]
    return read_entries(
        content_id(key), size, lambda start, wanted: backend.get(key, start, wanted)
    )


def _sha256(backend: Backend, key: str, size_bytes: int) -> str:
    digest = hashlib.sha256()
    for start in range(0, size_bytes, _PIECE_BYTES):
        digest.update(backend.get(key, start, _PIECE_BYTES))
    return digest.hexdigest()

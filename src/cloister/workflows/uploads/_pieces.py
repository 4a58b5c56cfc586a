"""Sealing what an upload brings, a piece at a time, and opening it again."""

from __future__ import annotations

import json
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from cloister.core.canonical import canonical
from cloister.core.errors import Tampered
from cloister.core.ids import CollectionId
from cloister.core.values import KeyRef
from cloister.datasets.uploads import Upload
from cloister.keys.seal import open_sealed, seal
from cloister.keys.values import GrantRequest
from cloister.store.landing import Landing
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import open_keys

MAGIC = b"CLUP\x01"
_HEAD = struct.Struct(">5s16sH")
_PLACE = struct.Struct(">20sQQ")
"""Upload, file, offset: sealed before the bytes, so that no piece stands for another."""
_LIST = 2**64 - 1
PIECE_BYTES = 8 << 20
_HELD = 8


class Entry(NamedTuple):
    """One file of an upload."""

    path: str
    size_bytes: int


def landing(lab: Lab, upload: str) -> Landing:
    """Where the pieces of an upload are."""
    return Landing(lab.folder, upload)


def sealed(lab: Lab, upload: Upload, file: int, offset: int, content: bytes) -> bytes:
    """A piece as it rests: docs/formats/upload.md."""
    key = lab.keys.grants([GrantRequest(upload.collection)])[0].key
    plain = _PLACE.pack(upload.upload.encode(), file, offset) + content
    return _HEAD.pack(MAGIC, key.seal_id, len(key.wrap)) + key.wrap + seal(plain, key)


def put(lab: Lab, upload: Upload, file: int, offset: int, content: bytes) -> None:
    """Seals a piece and makes it durable."""
    piece = sealed(lab, upload, file, offset, content)
    landing(lab, upload.upload).put(file, offset, len(content), piece)


def put_list(lab: Lab, upload: Upload, number: int, entries: list[Entry]) -> None:
    """Seals a part of the list of files and makes it durable."""
    content = canonical([[one.path, one.size_bytes] for one in entries])
    landing(lab, upload.upload).put_list(number, sealed(lab, upload, _LIST, number, content))


class Known:
    """Lists of files of the uploads that come just now, so that no piece opens them anew.

    In memory alone; any thread may ask.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[int, tuple[Entry, ...]]] = OrderedDict()

    def entries(self, lab: Lab, upload: Upload) -> tuple[Entry, ...]:
        """All files that the upload is to bring, in the order they were said."""
        parts = landing(lab, upload.upload).parts()
        with self._lock:
            found = self._held.get(upload.upload)
        if found is None or found[0] != parts:
            found = parts, tuple(_entries(lab, upload))
            with self._lock:
                self._held[upload.upload] = found
                while len(self._held) > _HELD:
                    self._held.popitem(last=False)
        return found[1]


def _entries(lab: Lab, upload: Upload) -> Iterator[Entry]:
    for number, piece in enumerate(landing(lab, upload.upload).lists()):
        plain = _opened(lab, upload, _LIST, number, piece)
        yield from (Entry(str(path), int(size)) for path, size in json.loads(plain))


def chunks(lab: Lab, upload: Upload, file: int) -> Iterator[bytes]:
    """The bytes of one file, as far as they are here; raises Tampered."""
    for piece in landing(lab, upload.upload).pieces(file):
        plain = _opened(lab, upload, file, piece.offset, piece.path.read_bytes())
        if len(plain) != piece.size_bytes:
            raise Tampered("a piece of an upload is not as long as it says")
        yield plain


def split(raw: bytes) -> tuple[bytes, bytes, memoryview]:
    """Seal id, wrap and sealed object of a piece; raises Tampered."""
    try:
        magic, seal_id, length = _HEAD.unpack_from(raw)
    except struct.error as error:
        raise Tampered("a piece of an upload is cut off") from error
    if magic != MAGIC:
        raise Tampered("a piece of an upload is not one")
    end = _HEAD.size + length
    return seal_id, raw[_HEAD.size : end], memoryview(raw)[end:]


def placed(plain: bytes, upload: str, file: int, offset: int) -> bytes:
    """The bytes of a piece that stands where it says; raises Tampered for another's."""
    if plain[: _PLACE.size] != _PLACE.pack(upload.encode(), file, offset):
        raise Tampered("a piece of an upload stands in another's place")
    return plain[_PLACE.size :]


def _opened(lab: Lab, upload: Upload, file: int, offset: int, raw: bytes) -> bytes:
    seal_id, wrap, body = split(raw)
    key = open_keys(lab, [KeyRef(CollectionId(upload.collection), seal_id, wrap)]).get(seal_id)
    if key is None:
        raise Tampered("the key of an upload is gone")
    return placed(open_sealed(body, key, seal_id), upload.upload, file, offset)

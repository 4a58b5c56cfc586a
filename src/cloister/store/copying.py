"""One blob from place to place: on arrival it is what its key says, or it is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from cloister.core.errors import NotFound, Tampered
from cloister.store.backend import BlobStat, Key
from cloister.store.hashing import HashedStream
from cloister.store.layout import content_id, is_pack
from cloister.store.pack import check_pack, check_size

_PIECE_BYTES = 8 << 20


class Source(Protocol):
    """Where blobs are read: the reading half of a `Backend`."""

    def get(self, key: str, offset: int, size: int) -> bytes:
        """See `Backend`."""

    def stat(self, key: str) -> BlobStat:
        """See `Backend`."""


class Sink(Protocol):
    """Where blobs are written."""

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        """See `Backend`."""


def copy_blob(source: Source, sink: Sink, key: str) -> int:
    """Copies one blob and gives its size; a blob that is there already stays as it is.

    Raises Tampered, with nothing visible at the sink, when the bytes read are not those the
    key commits to; NotFound when the source has none; what the sink raises.
    """
    size = source.stat(key).size_bytes
    if is_pack(key):
        check_size(content_id(key), size)
        content = source.get(key, 0, size)
        if check_pack(content_id(key), content)[1]:
            raise _damaged(key)
        sink.put_if_absent(key, [content], size)
        return size
    with HashedStream(_pieces(source, key, size)) as stream:

        def checked() -> str:
            if stream.hexdigest() != content_id(key):
                raise _damaged(key)
            return key

        sink.put_if_absent(checked, stream, size)
    return size


def check_copy(source: Source, key: str) -> None:
    """Reads a blob whole; raises Tampered when it is not what its key says, or NotFound."""
    copy_blob(source, _Nowhere(), key)


def holds(place: Source, key: str) -> bool:
    """Whether there is a blob under this key."""
    try:
        place.stat(key)
    except NotFound:
        return False
    return True


class _Nowhere:
    """Takes everything and keeps nothing."""

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        """Reads to the end, so that the key can be asked for."""
        for _ in chunks:
            pass
        if not isinstance(key, str):
            key()
        return True


def _pieces(source: Source, key: str, size: int) -> Iterator[bytes]:
    for start in range(0, size, _PIECE_BYTES):
        yield source.get(key, start, min(_PIECE_BYTES, size - start))


def _damaged(key: str) -> Tampered:
    return Tampered(
        f"blob {key} is damaged: its bytes are not what its name says",
        hint="the other copy may be whole: see `cloister backup verify`, `doctor --scrub`",
    )

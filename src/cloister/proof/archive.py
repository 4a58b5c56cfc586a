"""The same bundle as one file that is sent while it is made: nothing of it touches a disk."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Generator, Iterable, Iterator

from cloister.proof.bundle import BundleParts, contents, manifest
from cloister.proof.folder import WrittenFile

_MADE = (1980, 1, 1, 0, 0, 0)
"""ZIP knows no earlier time; the record says when things happened."""
_PIECE = 1 << 20


def archive_bundle(parts: BundleParts, folder: str) -> Generator[bytes]:
    """The bytes of a ZIP file that holds the bundle in ``folder``; unpacked it is the bundle.

    Files are stored as they are, with their sizes after them, so that it needs no room and
    no end that is known before. Raises what `write_bundle` raises for parts that contradict
    each other; what came before must then be thrown away: it has no directory.
    """
    sink, files = _Sink(), list[WrittenFile]()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for path, chunks in contents(parts):
            yield from _file(archive, sink, f"{folder}/{path}", chunks, files, path)
        last = [manifest(parts, files)]
        yield from _file(archive, sink, f"{folder}/manifest.json", last, files, "manifest.json")
    yield sink.taken()


def _file(
    archive: zipfile.ZipFile,
    sink: _Sink,
    name: str,
    chunks: Iterable[bytes],
    files: list[WrittenFile],
    path: str,
) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    entry = zipfile.ZipInfo(name, _MADE)
    with archive.open(entry, "w", force_zip64=True) as file:
        for chunk in chunks:
            digest.update(chunk)
            size += file.write(chunk)
            if sink.size >= _PIECE:
                yield sink.taken()
    yield sink.taken()
    files.append(WrittenFile(path, digest.hexdigest(), size))


class _Sink(io.RawIOBase):
    """What was written and not yet sent; cannot go back."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()

    @property
    def size(self) -> int:
        return len(self._held)

    def writable(self) -> bool:
        return True

    def write(self, content: bytes | memoryview) -> int:  # type: ignore[override]
        self._held += content
        return len(content)

    def taken(self) -> bytes:
        found = bytes(self._held)
        self._held.clear()
        return found

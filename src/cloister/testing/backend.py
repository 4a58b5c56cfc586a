"""An object backend in memory that keeps every promise but durability across processes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime

from cloister.core.clock import Clock, SystemClock
from cloister.core.errors import BadInput, NotFound, WriteOnce
from cloister.store.backend import BlobStat, Key, check_key, check_prefix, resolve_key


class MemoryBackend:
    """A `Backend` for tests: the same refusals and order as a real one, no disk."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._blobs: dict[str, tuple[bytes, datetime]] = {}
        self._retained: dict[str, datetime] = {}

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        """See `Backend`."""
        if isinstance(key, str):
            check_key(key)
        content = b"".join(chunks)
        with self._lock:
            resolved = resolve_key(key)
            if resolved in self._blobs:
                return False
            self._blobs[resolved] = content, self._clock.now()
            return True

    def get(self, key: str, offset: int, size: int) -> bytes:
        """See `Backend`."""
        if offset < 0 or size < 0:
            raise BadInput("a blob is read from offset 0 on, and no negative size")
        return self._blob(key)[0][offset : offset + size]

    def stat(self, key: str) -> BlobStat:
        """See `Backend`."""
        content, written = self._blob(key)
        return BlobStat(len(content), written, self._retained.get(key))

    def list(self, prefix: str) -> Iterator[str]:
        """See `Backend`."""
        check_prefix(prefix)
        with self._lock:
            keys = sorted(self._blobs, key=lambda key: key.split("/"))
        yield from [key for key in keys if key.startswith(prefix)]

    def delete(self, key: str) -> None:
        """See `Backend`."""
        with self._lock:
            self._blob(key)
            if self._retained.get(key, self._clock.now()) > self._clock.now():
                raise WriteOnce(f"blob {key} is retained: nobody can delete it")
            del self._blobs[key]

    def retain(self, keys: Iterable[str], until: datetime) -> None:
        """See `Backend`."""
        with self._lock:
            wanted = [key for key in keys if self._blob(key)]
            for key in wanted:
                self._retained[key] = max(until, self._retained.get(key, until))

    def set_aside(self, key: str) -> None:
        """See `Backend`."""
        with self._lock:
            self._blob(key)
            del self._blobs[key]

    def _blob(self, key: str) -> tuple[bytes, datetime]:
        try:
            return self._blobs[check_key(key)]
        except KeyError as error:
            raise NotFound(f"the store has no blob {key}") from error

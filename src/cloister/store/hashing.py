"""The name of a stream of sealed bytes, found while they are written."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Iterable, Iterator

_QUEUED_CHUNKS = 8


class HashedStream:
    """Passes chunks on once; a thread hashes them meanwhile (hashlib lets go of the GIL).

    ``name`` and ``size_bytes`` are known when the last chunk was taken.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    @property
    def name(self) -> str:
        """SHA-256 of all chunks, hex."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        waiting: queue.Queue[bytes | None] = queue.Queue(_QUEUED_CHUNKS)
        thread = threading.Thread(target=self._drain, args=(waiting,), name="object hash")
        thread.start()
        try:
            for chunk in self._chunks:
                # The thread lags behind: a buffer that its owner fills again must be copied.
                fixed = chunk if isinstance(chunk, bytes) else bytes(chunk)
                waiting.put(fixed)
                self.size_bytes += len(fixed)
                yield fixed
        finally:
            waiting.put(None)
            thread.join()

    def _drain(self, waiting: queue.Queue[bytes | None]) -> None:
        while (chunk := waiting.get()) is not None:
            self._hash.update(chunk)

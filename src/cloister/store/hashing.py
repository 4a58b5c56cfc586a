"""The hash of a stream of bytes, found while they are used for something else."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Self

_QUEUED_CHUNKS = 8


class HashedStream:
    """Passes chunks on once; a thread hashes them meanwhile (hashlib lets go of the GIL).

    ``size_bytes`` and the digest are known when the last chunk was taken. Use it in ``with``,
    so that the thread ends even if nobody takes that one.

    >>> with HashedStream(chunks) as stream:
    ...     for chunk in stream:
    ...         file.write(chunk)
    >>> stream.hexdigest()
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._passing = self._pass_on(chunks)
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def digest(self) -> bytes:
        """SHA-256 of all chunks."""
        return self._hash.digest()

    def hexdigest(self) -> str:
        """SHA-256 of all chunks, hex."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        return self._passing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._passing.close()

    def _pass_on(self, chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
        waiting: queue.Queue[bytes | None] = queue.Queue(_QUEUED_CHUNKS)
        thread = threading.Thread(target=self._drain, args=(waiting,), name="hashing")
        thread.start()
        try:
            for chunk in chunks:
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

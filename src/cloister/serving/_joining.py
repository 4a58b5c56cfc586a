"""What is written in one turn of the loop leaves at once: one TLS record, one system call."""

from __future__ import annotations

import asyncio

_SHORT_BYTES = 16 << 10
"""Longer pieces fill records of their own (RFC 8446 5.1), and are not copied."""


class JoinedTransport:
    """The head of an answer, held until its body follows or the turn ends.

    As much of a transport as uvicorn's protocol uses; order and backpressure are the inner
    one's. What is held when a connection is aborted or lost goes nowhere, like what the inner
    one holds.
    """

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop
        self._held: list[bytes] = []
        self.abort = inner.abort
        self.is_closing = inner.is_closing
        self.get_extra_info = inner.get_extra_info
        self.set_protocol = inner.set_protocol

    def write(self, data: bytes) -> None:
        """Sends it, soon."""
        if len(data) > _SHORT_BYTES:
            self._flush()
            self._inner.write(data)
            return
        self._held.append(data)
        if len(self._held) == 1:
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Sends what is held, then closes."""
        self._flush()
        self._inner.close()

    def _flush(self) -> None:
        if self._held and not self._inner.is_closing():
            self._inner.write(b"".join(self._held))
        self._held.clear()

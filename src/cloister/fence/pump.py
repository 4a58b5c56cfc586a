"""Moves bytes between the runner and a job, whichever side is ready, without threads."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable
from typing import Self

_CHUNK = 1 << 16
_PATIENCE_S = 1.0

Handler = Callable[[], None]


class Pump:
    """Descriptors and what to do when each is ready."""

    def __init__(self) -> None:
        self._selector = selectors.PollSelector()  # poll takes regular files as input, too

    def on_readable(self, descriptor: int, handler: Handler) -> None:
        """Calls ``handler`` whenever there is something to read, or the end."""
        self._selector.register(descriptor, selectors.EVENT_READ, handler)

    def on_writable(self, descriptor: int, handler: Handler) -> None:
        """Calls ``handler`` whenever there is room to write."""
        self._selector.register(descriptor, selectors.EVENT_WRITE, handler)

    def forget(self, descriptor: int) -> None:
        """No more calls for it."""
        self._selector.unregister(descriptor)

    def turn(self) -> None:
        """Waits at most a second, then serves all that is ready."""
        for key, _ in self._selector.select(_PATIENCE_S):
            if key.fd in self._selector.get_map():  # an earlier handler may have ended it
                key.data()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()  # the descriptors belong to others


class Drain:
    """Reads one output of the job until its end."""

    def __init__(self, pump: Pump, source: int, deliver: Callable[[bytes], None]) -> None:
        self._pump, self._source, self._deliver = pump, source, deliver
        self.ended = False
        pump.on_readable(source, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last holder of a terminal is gone
            data = b""
        if data:
            self._deliver(data)
            return
        self.ended = True
        self._pump.forget(self._source)


class Feed:
    """Copies input to the job; holds one chunk at most, so a job that reads nothing stops it.

    Owns ``sink`` and closes it at the end of the input.
    """

    def __init__(
        self, pump: Pump, source: int, sink: int, seen: Callable[[bytes], None] | None = None
    ) -> None:
        self._pump, self._source, self._sink, self._seen = pump, source, sink, seen
        self._waiting = b""
        os.set_blocking(sink, False)
        pump.on_readable(source, self._read)

    def _read(self) -> None:
        try:
            self._waiting = os.read(self._source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: the user's terminal is gone
            self._waiting = b""
        self._pump.forget(self._source)
        if not self._waiting:
            self.close()
            return
        if self._seen is not None:
            self._seen(self._waiting)
        self._pump.on_writable(self._sink, self._write)

    def _write(self) -> None:
        try:
            self._waiting = self._waiting[os.write(self._sink, self._waiting) :]
        except BlockingIOError:
            return
        except OSError:  # EPIPE, EIO: the job closed its input
            self._pump.forget(self._sink)
            self.close()
            return
        if not self._waiting:
            self._pump.forget(self._sink)
            self._pump.on_readable(self._source, self._read)

    def close(self) -> None:
        """No more input; the job reads its end."""
        if self._sink >= 0:
            os.close(self._sink)
            self._sink = -1

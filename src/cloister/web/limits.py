"""What one server takes on; beyond it, it says so and drops the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of memory, threads and patience."""

    body_bytes: int = 32 * MIB
    """Of a JSON request: a tag of 10 MB arrives whole, to be refused by name."""
    small_bytes: int = 64 << 10
    """A request up to this size is read before its caller is known."""
    in_flight_bytes: int = 192 * MIB
    """Of all JSON requests together."""
    threads: int = 24
    """Requests answered side by side; their writes share commits."""
    streams: int = 16
    """Artifacts on their way in or out at once; each holds a few MiB."""
    artifact_bytes: int = 1 << 40
    slowest_bytes_s: int = 4096
    """Of an artifact on its way in, on average: a client that is slower is dropped."""
    total_bytes: int | None = None
    """Of all requests from first to last; None for as many as there are."""
    connections: int = 512
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0


OF_A_JOB = Limits(in_flight_bytes=64 * MIB, threads=8, connections=128)
"""At the door of one job: what it holds there is the runner's memory, not its own."""


class Spent(Exception):
    """What may come in altogether has; never leaves the server."""


class Quota:
    """Counts the bytes that came in, kept or not. Lives in one event loop."""

    def __init__(self, size_bytes: int | None) -> None:
        self._size_bytes = size_bytes
        self._taken_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Counts that many more; raises Spent where that is too much."""
        self._taken_bytes += size_bytes
        if not size_bytes or self._size_bytes is None:
            return  # what only reads goes on
        if self._taken_bytes > self._size_bytes:
            raise Spent(self._size_bytes)


class Full(Exception):
    """No room now; never leaves the server: callers are told to come back."""


class Room:
    """Counts the bytes of requests. Lives in one event loop, so needs no lock."""

    def __init__(self, size_bytes: int) -> None:
        self._free = size_bytes

    @contextmanager
    def holding(self) -> Iterator[Share]:
        """A share of the room, given back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self._free += share.size_bytes

    def take(self, size_bytes: int) -> None:
        """Raises Full where that is not free."""
        if size_bytes > self._free:
            raise Full
        self._free -= size_bytes


class Share:
    """The bytes of one request."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """Takes room for that many more; raises Full."""
        self._room.take(size_bytes)
        self.size_bytes += size_bytes

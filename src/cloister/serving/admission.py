"""How much a server takes on at once; what does not fit is told to come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloister.serving.values import Limits


class Busy(Exception):
    """No room now; never leaves the server: callers are told to come back."""


class Admission:
    """Counts predictions and their bytes. Lives in one event loop, so needs no lock."""

    def __init__(self, limits: Limits, monotonic_s: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic_s = monotonic_s
        self._in_flight = 0
        self._bytes = 0
        self._allowance = limits.per_second
        self._counted_at = monotonic_s()

    @contextmanager
    def entered(self) -> Iterator[Reservation]:
        """Room for one prediction while it lasts; raises Busy if there is none."""
        if self._in_flight >= self._limits.in_flight or not self._within_rate():
            raise Busy
        self._in_flight += 1
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self._in_flight -= 1
            self._bytes -= reservation.size_bytes

    def take(self, size_bytes: int) -> None:
        """Room for that many bytes more; raises Busy if there is none."""
        if self._bytes + size_bytes > self._limits.in_flight_bytes:
            raise Busy
        self._bytes += size_bytes

    def _within_rate(self) -> bool:
        """A token bucket that holds one second's worth."""
        now, rate = self._monotonic_s(), self._limits.per_second
        self._allowance = min(rate, self._allowance + (now - self._counted_at) * rate)
        self._counted_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


class Reservation:
    """The bytes one prediction holds."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """Takes room for that many bytes more; raises Busy."""
        self._admission.take(size_bytes)
        self.size_bytes += size_bytes

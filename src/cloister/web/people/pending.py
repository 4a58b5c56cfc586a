"""What waits for its second half, in this process's memory: good once, and not for long."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from cloister.core.clock import Clock
from cloister.core.ids import Randomness
from cloister.identity.people import new_token

T = TypeVar("T")
_MOST = 10_000


class Pending(Generic[T]):
    """Values under random names; a restart forgets them, and their owners begin again."""

    def __init__(self, clock: Clock, randomness: Randomness, lifetime_s: float) -> None:
        self._clock = clock
        self._randomness = randomness
        self._lifetime_s = lifetime_s
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, value: T) -> str:
        """A name for it, 256 random bits."""
        name, _ = new_token(self._randomness)
        self.put_as(name, value)
        return name

    def put_as(self, name: str, value: T) -> None:
        """Keeps it under a name that its owner has already."""
        with self._lock:
            self._held[name] = (self._clock.monotonic_s() + self._lifetime_s, value)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)

    def look(self, name: str) -> T | None:
        """What lies there, and stays; None where it is gone or too old."""
        with self._lock:
            until, value = self._held.get(name, (0.0, None))
        return value if until > self._clock.monotonic_s() else None

    def take(self, name: str) -> T | None:
        """What lies there, for the last time."""
        value = self.look(name)
        with self._lock:
            return value if self._held.pop(name, None) is not None else None

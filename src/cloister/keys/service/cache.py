"""Owners' keys, unwrapped, for a few minutes."""

from __future__ import annotations

from cloister.core.clock import Clock
from cloister.keys.service.rows import OwnerKey

KEPT_S = 300
_MOST = 50_000


class KeyCache:
    """At most five minutes and fifty thousand keys; the caller locks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, tuple[float, OwnerKey]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, owner: str) -> OwnerKey | None:
        """The key, if it was put here less than five minutes ago."""
        entry = self._held.get(owner)
        if entry is None or entry[0] <= self._clock.monotonic_s():
            return None
        return entry[1]

    def put(self, owner: str, key: OwnerKey) -> None:
        """Keeps a key, in the oldest one's place if there are too many."""
        self._drop(owner)
        if len(self._held) >= _MOST:
            self._drop(next(iter(self._held)))
        self._held[owner] = (self._clock.monotonic_s() + KEPT_S, key)

    def drop_expired(self) -> None:
        """Forgets what is too old; entries lie in order of age."""
        now = self._clock.monotonic_s()
        while self._held:
            owner, (until, _) = next(iter(self._held.items()))
            if until > now:
                return
            self._drop(owner)

    def clear(self) -> None:
        """Forgets everything."""
        for owner in list(self._held):
            self._drop(owner)

    def _drop(self, owner: str) -> None:
        if entry := self._held.pop(owner, None):
            entry[1].wipe()

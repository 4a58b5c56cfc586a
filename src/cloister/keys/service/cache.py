"""Owners' keys, unwrapped, for a few minutes."""

from __future__ import annotations

from collections import OrderedDict

from cloister.core.clock import Clock
from cloister.keys.service.rows import OwnerKey

KEPT_S = 300
MOST = 20_000


class KeyCache:
    """At most five minutes and twenty thousand keys; the caller locks."""

    def __init__(self, clock: Clock, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        # Ordered: a plain dict takes ever longer to find its oldest entry.
        self._held: OrderedDict[str, tuple[float, OwnerKey]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, owner: str) -> OwnerKey | None:
        """The key, if it was put here less than five minutes ago."""
        entry = self._held.get(owner)
        if entry is None or entry[0] <= self._clock.monotonic_s():
            return None
        return entry[1]

    def put(self, owner: str, key: OwnerKey) -> None:
        """Keeps a key; it never takes another's place, which may be in use."""
        self._drop(owner)
        self._held[owner] = (self._clock.monotonic_s() + KEPT_S, key)

    def make_room(self, count: int) -> None:
        """Forgets the oldest keys until ``count`` more fit; before any is taken out."""
        while self._held and len(self._held) + count > self._most:
            self._drop(next(iter(self._held)))

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

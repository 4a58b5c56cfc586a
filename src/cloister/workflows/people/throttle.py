"""How often one may fail to log in: counted for each account and each address."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass

from cloister.core.clock import Clock
from cloister.core.errors import TooManyAttempts

_WITHIN_S = 900.0
_MOST_KEPT = 20_000
_RECORDED, _MOST_RECORDED = "recorded", 300


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: whose account, from where. Whether such an account exists plays no part."""

    account: str
    address: str

    def counted(self) -> tuple[tuple[str, int], ...]:
        """What it counts for, and how many may fail there in fifteen minutes.

        An account alone is counted generously: nobody must lock somebody else out for long.
        """
        account = self.account.casefold()[:100]
        return (
            (f"{account} from {self.address}", 6),
            (f"account {account}", 60),
            (f"address {self.address}", 60),
        )


class Throttle:
    """Failures of the last fifteen minutes, in memory; safe from every thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def enter(self, attempt: Attempt) -> None:
        """Counts a try as failed until it is said to be good; raises TooManyAttempts.

        Counted before it is looked at: guesses sent side by side do not slip through.
        """
        now = self._clock.monotonic_s()
        with self._lock:
            for key, most in attempt.counted():
                times = self._recent(key, now)
                if len(times) >= most:
                    wait_s = int(times[0] + _WITHIN_S - now) + 1
                    raise TooManyAttempts(
                        "too many attempts failed", hint=f"try again in {wait_s} seconds"
                    )
            for key, _ in attempt.counted():
                self._recent(key, now).append(now)
            while len(self._failed) > _MOST_KEPT:
                self._failed.popitem(last=False)

    def good(self, attempt: Attempt) -> None:
        """It was the person themselves: what counts for this account from here starts anew."""
        with self._lock:
            for key, _ in attempt.counted():
                times = self._failed.get(key)
                if times:
                    times.pop()
            self._failed.pop(attempt.counted()[0][0], None)

    def worth_recording(self) -> bool:
        """Whether a refusal goes on record: a flood of guesses must not become the record."""
        with self._lock:
            times = self._recent(_RECORDED, self._clock.monotonic_s())
            times.append(self._clock.monotonic_s())
            return len(times) <= _MOST_RECORDED

    def _recent(self, key: str, now: float) -> deque[float]:
        times = self._failed.setdefault(key, deque())
        self._failed.move_to_end(key)
        while times and times[0] <= now - _WITHIN_S:
            times.popleft()
        return times

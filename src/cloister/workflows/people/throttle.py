"""How often one may fail to log in: counted for each account and each address."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.clock import Clock
from cloister.core.errors import TooManyAttempts
from cloister.core.events import Transaction
from cloister.db import Database
from cloister.identity import tries

_WITHIN_MS = 900_000
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
    """Failures of the last fifteen minutes, in the database; safe from every thread and
    process, and none the shorter for a restart."""

    def __init__(self, clock: Clock, database: Database) -> None:
        self._clock = clock
        self._database = database

    def enter(self, attempt: Attempt) -> None:
        """Counts a try as failed until it is said to be good; raises TooManyAttempts.

        Counted before it is looked at: guesses sent side by side do not slip through.
        """

        def count(tx: Transaction) -> None:
            now_ms = self._now_ms()
            tries.forget(tx, now_ms - _WITHIN_MS, _MOST_KEPT)
            found = [(key, _recent(tx, key, now_ms), most) for key, most in attempt.counted()]
            for _, times, most in found:
                if len(times) >= most:
                    wait_s = (times[0] + _WITHIN_MS - now_ms) // 1000 + 1
                    raise TooManyAttempts(
                        "too many attempts failed", hint=f"try again in {wait_s} seconds"
                    )
            for key, times, _ in found:
                tries.keep(tx, key, [*times, now_ms])

        self._database.write(count)

    def good(self, attempt: Attempt) -> None:
        """It was the person themselves: what counts for this account from here starts anew."""

        def forgive(tx: Transaction) -> None:
            own, *others = (key for key, _ in attempt.counted())
            tries.keep(tx, own, ())
            for key in others:
                tries.keep(tx, key, tries.times(tx, key)[:-1])

        self._database.write(forgive)

    def worth_recording(self) -> bool:
        """Whether a refusal goes on record: a flood of guesses must not become the record."""

        def count(tx: Transaction) -> bool:
            now_ms = self._now_ms()
            times = _recent(tx, _RECORDED, now_ms)
            if len(times) >= _MOST_RECORDED:
                return False
            tries.keep(tx, _RECORDED, [*times, now_ms])
            return True

        return self._database.write(count)

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _recent(tx: Transaction, key: str, now_ms: int) -> list[int]:
    """When it failed within fifteen minutes of now: a clock that was set back locks out nobody
    for longer than that."""
    return [at for at in tries.times(tx, key) if abs(now_ms - at) < _WITHIN_MS]

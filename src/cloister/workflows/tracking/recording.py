"""One durable change: decided inside its transaction, acknowledged after its commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cloister.core.events import Event, Transaction
from cloister.workflows.lab import Act, Lab

T = TypeVar("T")
Change = Callable[[Transaction], tuple[Sequence[Event], T]]
"""What happens, as events, and what is told of it; it sees all that was committed before, and
may run more than once."""


@dataclass(frozen=True, slots=True)
class Pending(Generic[T]):
    """A change about to be recorded: nothing has happened yet."""

    act: Act
    change: Change[T]

    def record(self) -> T:
        """What the change tells, once its events are durable; raises what it raised."""
        return self.act.lab.database.write(self.write)

    def write(self, tx: Transaction) -> T:
        """The change, in a transaction of its lab."""
        events, told = self.change(tx)
        if events:
            self.act.lab.ledger.append(tx, events)
        return told


def record(act: Act, change: Change[T]) -> T:
    """What ``change`` tells, once its events are durable; those who come together share a sync.

    Raises what it raises, and then nothing changed.
    """
    return Pending(act, change).record()


def one(act: Act, kind: str, body: dict[str, Any]) -> list[Event]:
    """A single event."""
    return [act.event(kind, body)]


def now_ms(lab: Lab) -> int:
    """Milliseconds since 1970."""
    return int(lab.clock.now().timestamp() * 1000)

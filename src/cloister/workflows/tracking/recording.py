"""One durable change: decided inside its transaction, acknowledged after its commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from cloister.core.events import Event, Transaction
from cloister.workflows.lab import Act, Lab

T = TypeVar("T")
Change = Callable[[Transaction], tuple[Sequence[Event], T]]
"""What happens, as events, and what is told of it; it sees all that was committed before, and
may run more than once."""


def record(act: Act, change: Change[T]) -> T:
    """What ``change`` tells, once its events are durable; those who come together share a sync.

    Raises what it raises, and then nothing changed.
    """

    def write(tx: Transaction) -> T:
        events, told = change(tx)
        if events:
            act.lab.ledger.append(tx, events)
        return told

    return act.lab.database.write(write)


def one(act: Act, kind: str, body: dict[str, Any]) -> list[Event]:
    """A single event."""
    return [act.event(kind, body)]


def now_ms(lab: Lab) -> int:
    """Milliseconds since 1970."""
    return int(lab.clock.now().timestamp() * 1000)

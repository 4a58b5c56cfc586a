"""Group commit: whoever comes first leads, and commits for all who queued meanwhile."""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from cloister.core.events import Transaction

T = TypeVar("T")
_LARGEST_BATCH = 256


class Ticket:
    """One caller's operation, and what became of it."""

    __slots__ = ("abandoned", "done", "error", "operation", "result")

    def __init__(self, operation: Callable[[Transaction], Any]) -> None:
        self.operation = operation
        self.result: Any = None
        self.error: Exception | None = None
        self.done = False
        self.abandoned = False

    def run(self, transaction: Transaction) -> bool:
        """Whether the operation went through; its error is kept for its caller."""
        self.result = self.error = None
        try:
            self.result = self.operation(transaction)
        except Exception as error:  # noqa: BLE001 - raised again where it belongs, in `outcome`
            self.error = error
        return self.error is None

    def fail(self, error: Exception) -> None:
        """Settles it with an error shared by all who were in the same commit."""
        self.error = copy.copy(error)
        self.error.__cause__ = error
        self.done = True

    def outcome(self) -> Any:
        """The operation's result; raises its error."""
        if self.error is not None:
            raise self.error
        return self.result


class GroupCommit:
    """Runs operations in batches, one batch at a time, each on the thread of its leader.

    While a leader waits for the disk, others queue behind the lock; the first of them to
    get it leads everything that queued. So the rate of commits is the disk's, and the rate
    of operations grows with the number of callers.
    """

    def __init__(self, commit: Callable[[Sequence[Ticket]], None]) -> None:
        """``commit`` settles every ticket it is given; it raises only when interrupted."""
        self._commit = commit
        self._queue: deque[Ticket] = deque()
        self.lock = threading.RLock()
        """Held while a batch is under way."""
        self._leader: int | None = None

    def submit(self, operation: Callable[[Transaction], T]) -> T:
        """What ``operation`` returned, after the commit that holds it."""
        if self._leader == threading.get_ident():
            raise RuntimeError("a write inside a write: pass the transaction on instead")
        ticket = Ticket(operation)
        self._queue.append(ticket)
        try:
            with self.lock:
                while not ticket.done:
                    self._lead()
        finally:
            ticket.abandoned = not ticket.done
        result: T = ticket.outcome()
        return result

    def _lead(self) -> None:
        size = min(len(self._queue), _LARGEST_BATCH)
        taken = [self._queue.popleft() for _ in range(size)]
        batch = [ticket for ticket in taken if not ticket.abandoned]
        self._leader = threading.get_ident()
        try:
            self._commit(batch)
        finally:
            self._leader = None
            # Ctrl-C ended this leader, not the others: the next one takes them along.
            self._queue.extendleft(ticket for ticket in reversed(batch) if not ticket.done)

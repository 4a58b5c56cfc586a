"""Group commit: whoever comes first leads, and commits for all who queued meanwhile."""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from cloister.core.events import Transaction

T = TypeVar("T")
Operation = Callable[[Transaction], T]
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


class Waiting:
    """While its block lasts, somebody waits for these tickets."""

    __slots__ = ("_tickets",)

    def __init__(self, tickets: Sequence[Ticket]) -> None:
        self._tickets = tickets

    def __enter__(self) -> None:
        """From here their caller waits for them."""

    def __exit__(self, *interruption: object) -> None:
        """Their caller no longer waits: unless one is settled, nobody shall run it."""
        for ticket in self._tickets:
            ticket.abandoned = not ticket.done


def settle(batch: Sequence[Ticket]) -> None:
    """Each is done, with what its operation gave or raised."""
    for ticket in batch:
        ticket.done = True


def fail(batch: Sequence[Ticket], error: Exception) -> None:
    """Settles each with an error that they share."""
    for ticket in batch:
        ticket.fail(error)


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

    def submit(self, operation: Operation[T]) -> T:
        """What ``operation`` returned, after the commit that holds it."""
        result: T = self.submit_each((operation,))[0]()
        return result

    def submit_each(self, operations: Sequence[Operation[T]]) -> list[Callable[[], T]]:
        """For each, once all are settled, what gives its result or raises its error.

        They are run in this order, and share a commit as far as one holds them.
        """
        if self._leader == threading.get_ident():
            raise RuntimeError("a write inside a write: pass the transaction on instead")
        tickets = [Ticket(operation) for operation in operations]
        waiting = Waiting(tickets)
        self._queue.extend(tickets)
        # Twice: Ctrl-C may come while it waits for its turn, or while it leads. In the second
        # case they are given up before the next leader can take them.
        with waiting, self.lock, waiting:
            while not all(ticket.done for ticket in tickets):
                self._lead()
        return [ticket.outcome for ticket in tickets]

    def _lead(self) -> None:
        """Commits what has queued; tickets leave the queue once they are settled, never before.

        So whatever an interrupt cuts short here, the next leader goes on with the others.
        """
        size = min(len(self._queue), _LARGEST_BATCH)
        queued = [self._queue[place] for place in range(size)]
        self._leader = threading.get_ident()
        try:
            self._commit([ticket for ticket in queued if not ticket.done | ticket.abandoned])
        finally:
            self._leader = None
            while self._queue and self._queue[0].done | self._queue[0].abandoned:
                self._queue.popleft()

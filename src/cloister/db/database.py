"""What every database engine promises to the layers above."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cloister.core.events import Transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weakness:
    """One thing about a server that is not as it should be."""

    says: str
    remedy: str
    opens: bool = False
    """Whether others can read the lab's tables."""


class Database(Protocol):
    """One database, used by any number of threads here and of processes beside us.

    All may be called from every thread. Implementations guarantee:

    * an operation is durable when ``write`` returns, and has changed nothing when it raises;
      ``write_each`` returns when all of its operations are the one or the other;
    * operations that wait for the same commit share it, each in its own savepoint, so one
      that raises takes no other with it;
    * an operation may run on another caller's thread, and runs again if the transaction was
      interrupted before its commit: it acts on its transaction and on nothing else;
    * a failed commit or fsync raises DurabilityLost, then and ever after: its outcome is
      unknown until the process has stopped and recovered; a full disk raises NoSpace, and
      the database goes on working.
    """

    def write(self, operation: Callable[[Transaction], T]) -> T:
        """What ``operation`` returned, once it is durable; raises what it raised."""

    def write_each(
        self, operations: Sequence[Callable[[Transaction], T]]
    ) -> list[Callable[[], T]]:
        """Each as `write` would, side by side: what gives its result, or raises its error."""

    def read(self) -> AbstractContextManager[Transaction]:
        """A consistent snapshot, as of the first query; it never waits for writers."""

    def check(self) -> list[str]:
        """What is wrong with the file itself, its pages and indexes; empty when sound."""

    def close(self) -> None:
        """Lets go of the file; operations under way finish first."""

"""The lab as every workflow gets it: opened, wired, with the actor at the door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from cloister.core.clock import Clock, timestamp
from cloister.core.events import Event, EventSink, Recorded, Transaction
from cloister.core.files import exclusive, private_folder
from cloister.core.ids import LabId, OperationId, Randomness, RunId
from cloister.core.values import Actor
from cloister.db import Database
from cloister.jobs.settings import QueueSettings
from cloister.keys.client import KeyClient
from cloister.ledger import LedgerReader
from cloister.pipelines.settings import PipelineSettings
from cloister.policy import LAB, Action, Resource, Rules, TwoPersons, built_in, decide, require
from cloister.store import Placement, Store
from cloister.tracking.settings import TrackingSettings
from cloister.workflows.identify import Identifier

T = TypeVar("T")


class Starter(Protocol):
    """Does what takes long in a process of its own, that outlives whoever asked for it."""

    def __call__(self, name: str, asked: bytes, /, wait_s: float) -> bytes | None:
        """Begins ``name`` with ``asked``; its first words, or None where it says nothing for
        ``wait_s``. Raises Conflict where no process can be begun."""


class Doorkeeper(Protocol):
    """Answers a job that knocks at the door in its fence."""

    def __call__(self, lab: Lab, run: RunId, listener: int, /) -> Callable[[], None]:
        """Begins to answer ``run``, and nobody else, at a socket that listens and is its own
        from now on; returns at once. Gives what ends it, after all that is under way."""


@dataclass(frozen=True, slots=True)
class Lab:
    """Everything a use case needs, and nothing it has to look for."""

    id: LabId
    folder: Path
    runtime: Path
    """Where this user's sockets, leases and tokens are."""
    private: tuple[Path, ...]
    """The lab, its keys, sockets and remembered heads: never added, never shown to a job."""
    database: Database
    ledger: EventSink
    reader: LedgerReader
    store: Store
    keys: KeyClient
    clock: Clock
    randomness: Randomness
    actor: Actor
    identifier: Identifier
    """Knows the patients' ids when it sees them."""
    grace_h: int = 24
    """How long after an add it may be retracted."""
    rules: Rules = built_in
    """What answers for the policy of this lab."""
    two_persons: TwoPersons = field(default_factory=TwoPersons)
    """What nobody does alone here, until the record says: the settings' first value."""
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    """What jobs may log."""
    queue: QueueSettings = field(default_factory=QueueSettings)
    """How the machine is shared."""
    pipelines: PipelineSettings = field(default_factory=PipelineSettings)
    """Where their calls are made."""
    folders: tuple[Path, ...] = ()
    """Where jobs may work that are asked for from elsewhere: in a browser, with a token."""
    starter: Starter | None = None
    """Who begins pipelines that are asked for from elsewhere; a service has one."""
    doorkeeper: Doorkeeper | None = None
    """Who answers jobs that track; None where what it takes is not installed."""

    def act(self, action: Action, on: Resource = LAB, tx: Transaction | None = None) -> Act:
        """Permission to ``action``, as something that makes events; raises NotAllowed.

        Raises NotFound for an object of a project whose member the actor is not. Asked inside
        a transaction, the policies that it sees decide.
        """
        return Act(self, require(self.actor, action, on, self.rules, tx).reason)

    def may(self, action: Action, on: Resource = LAB, tx: Transaction | None = None) -> bool:
        """Whether the actor may, where it only changes what is shown or done beside."""
        return decide(self.actor, action, on, self.rules, tx).allowed

    def alone(self, name: str) -> AbstractContextManager[None]:
        """The lock of that name, while the block lasts; raises Conflict when it is taken.

        It lies in the lab's folder, so that it holds between all who open the lab.
        """
        return exclusive(private_folder(self.folder / "locks") / name)

    def read(self, query: Callable[[Transaction], T]) -> T:
        """What ``query`` finds in one consistent snapshot."""
        with self.database.read() as tx:
            return query(tx)


@dataclass(frozen=True, slots=True)
class Act:
    """One permitted action: every event it makes names the actor and the reason."""

    lab: Lab
    reason: str

    def event(self, kind: str, body: dict[str, Any]) -> Event:
        """An event of this action, now."""
        return self.events(kind, (body,))[0]

    def events(self, kind: str, bodies: Iterable[dict[str, Any]]) -> list[Event]:
        """An event of this action for each body, all of this moment."""
        lab, now = self.lab, timestamp(self.lab.clock.now())
        return [Event(kind, now, lab.actor.person, self.reason, body) for body in bodies]

    def record(
        self, events: Sequence[Event], placements: Sequence[Placement] = ()
    ) -> Sequence[Recorded]:
        """Appends ``events``, their rows and ``placements`` in one durable transaction."""

        def write(tx: Transaction) -> Sequence[Recorded]:
            if placements:
                self.lab.store.place(tx, placements)
            return self.lab.ledger.append(tx, events)

        return self.lab.database.write(write)

    def begin_read(self, purpose: str, **what: str | int | None) -> OperationId:
        """Records, durably, that patient data are about to be read; before the first byte."""
        operation = OperationId.new(self.lab.randomness)
        self.record([self._read_begun(operation, purpose, what)])
        return operation

    def read_whole(self, purpose: str, size_bytes: int, **what: str | int | None) -> None:
        """Records, durably, that one thing is read; before any byte of it is given out."""
        self.record(self.whole_read(purpose, 1, size_bytes, **what))

    def whole_read(
        self, purpose: str, records: int, size_bytes: int, **what: str | int | None
    ) -> list[Event]:
        """The events that say that so many things are read, all of them."""
        operation = OperationId.new(self.lab.randomness)
        begun = self._read_begun(operation, purpose, what)
        return [begun, self.end_read(operation, records, size_bytes)]

    def _read_begun(
        self, operation: OperationId, purpose: str, what: Mapping[str, str | int | None]
    ) -> Event:
        of = {"dataset": None, "number": None, "record": None, "run": None} | dict(what)
        return self.event("read.begun", {"operation": operation, "purpose": purpose, **of})

    def end_read(self, operation: OperationId, records: int, size_bytes: int) -> Event:
        """The event that says how much was read."""
        return self.event(
            "read.ended", {"operation": operation, "records": records, "bytes": size_bytes}
        )

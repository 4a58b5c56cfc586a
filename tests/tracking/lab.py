"""A lab as tracking sees it: the real tables, the real ledger, a clock and a member."""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cloister.app.platform import MIGRATIONS, PROJECTIONS, TABLES
from cloister.core.ids import LabId, PersonId, RunId, SubjectId
from cloister.core.values import Actor
from cloister.db import open_database
from cloister.ledger import Ledger, LedgerReader
from cloister.ledger.audit import AuditReport, audit
from cloister.workflows.identify import Identifier
from cloister.workflows.lab import Lab
from cloister.workflows.tracking.visit import Visit
from tests.ledger.lab import ORIGIN, LogKey, verify

NOBODY: Any = None
"""Stands where most of tracking never looks: only artifacts are sealed and stored."""


class Ticking:
    """A clock that moves on by a millisecond whenever it is read."""

    def __init__(self) -> None:
        self._steps = itertools.count()

    def now(self) -> datetime:
        """A moment after the last."""
        return datetime(2026, 5, 1, tzinfo=UTC) + timedelta(milliseconds=next(self._steps))

    def monotonic_s(self) -> float:
        """Never later: nothing here waits."""
        return 0.0


class Ids:
    """The part of the key service that knows patients by their ids; the tests fill it."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def recognise(self, words: Sequence[str]) -> list[tuple[SubjectId, ...]]:
        """The subject of each word, if it is one's id."""
        found = [self.known.get(word.casefold()) for word in words]
        return [() if name is None else (SubjectId(name),) for name in found]


class TrackingLab:
    """One database, and visits to it."""

    def __init__(
        self, database: Path | str = "sqlite::memory:", seed: int | None = None
    ) -> None:
        key = LogKey()
        self.ledger = Ledger(ORIGIN, key, PROJECTIONS, verify)
        self.reader = LedgerReader(key.public_key, verify)
        uri = f"sqlite:{database}" if isinstance(database, Path) else database
        self.database = open_database(uri, MIGRATIONS, before_commit=self.ledger.seal)
        self._random = secrets.token_bytes if seed is None else random.Random(seed).randbytes
        self.clock = Ticking()
        self.ids = Ids()
        keys: Any = self.ids
        self._identifier = Identifier(keys, self.clock)
        self.store: Any = NOBODY
        self.keys: Any = NOBODY

    def lab(self, role: str = "engineer", projects: frozenset[str] | None = None) -> Lab:
        """The lab as a member of that role gets it."""
        return Lab(
            id=LabId("lab_aaaaaaaaaaaaaaaa"),
            folder=Path("/nowhere"),
            runtime=Path("/nowhere"),
            private=(),
            database=self.database,
            ledger=self.ledger,
            reader=self.reader,
            store=self.store,
            keys=self.keys,
            clock=self.clock,
            randomness=self._random,
            actor=Actor(PersonId("per_aaaaaaaaaaaaaaaa"), role, "peer:1000", projects),
            identifier=self._identifier,
        )

    def visit(self, role: str = "engineer", fenced: str | None = None, *projects: str) -> Visit:
        """A caller; with ``projects``, one who sees those alone."""
        seen = frozenset(projects) if projects else None
        return Visit(self.lab(role, seen), None if fenced is None else RunId(fenced))

    def audit(self) -> AuditReport:
        """The whole record, checked."""
        return audit(self.database, self.reader, PROJECTIONS, TABLES, MIGRATIONS)

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        with self.database.read() as tx:
            return int(tx.query(f"SELECT COUNT(*) FROM {table}")[0][0])

    def close(self) -> None:
        """Lets go of the database."""
        self.database.close()

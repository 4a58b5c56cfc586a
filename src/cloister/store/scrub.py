"""Reads everything and says what is damaged, missing or misplaced; needs no key."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import islice

from cloister.core.clock import Clock
from cloister.core.errors import CloisterError, IntegrityError, NotFound
from cloister.db import Database
from cloister.store import placements as index
from cloister.store.backend import Backend
from cloister.store.check import BlobCheck, check_blob
from cloister.store.layout import NAMESPACES
from cloister.store.pack import Entry
from cloister.store.placements import Placement
from cloister.store.reader import read_object

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""

MOST_FINDINGS = 1000
_BATCH = 64
_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    blob: str
    name: str | None
    """The object; None when the blob cannot say what it holds."""
    problem: str


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """What a scrub read, and what it found."""

    blobs: int
    objects: int
    """Placed objects whose bytes are sound."""
    size_bytes: int
    """Of the blobs read."""
    unplaced: int
    """Sound objects no row leads to: left by writers that failed, harmless."""
    problems: int
    findings: tuple[Finding, ...]
    """The first thousand of ``problems``."""
    seconds: float

    @property
    def first(self) -> Finding | None:
        """The first thing that is wrong; None when all is sound."""
        return self.findings[0] if self.findings else None


@dataclass(slots=True)
class Scrub:
    """One pass over a store, in constant memory."""

    backend: Backend
    database: Database
    executor: Executor
    blobs: int = 0
    objects: int = 0
    size_bytes: int = 0
    unplaced: int = 0
    problems: int = 0
    findings: list[Finding] = field(default_factory=list)

    def run(self, clock: Clock, on_progress: Progress | None) -> ScrubReport:
        """Checks every blob against its name, every row against its blob."""
        began = clock.monotonic_s()
        with self.database.read() as tx:
            total = index.total_bytes(tx)
        for blob, check, rows in self._checks():
            self._judge(blob, check, rows)
            if on_progress is not None:
                on_progress(min(self.size_bytes, total), total)
        self._find_missing_blobs()
        return ScrubReport(
            self.blobs,
            self.objects,
            self.size_bytes,
            self.unplaced,
            self.problems,
            tuple(self.findings),
            clock.monotonic_s() - began,
        )

    def _checks(self) -> Iterator[tuple[str, Future[BlobCheck], list[Placement]]]:
        """Blobs, with those after them being read already."""
        ahead: deque[tuple[str, Future[BlobCheck], list[Placement]]] = deque()
        for blob, rows in self._listed():
            ahead.append((blob, self.executor.submit(check_blob, self.backend, blob), rows))
            if len(ahead) > _AHEAD:
                yield ahead.popleft()
        yield from ahead

    def _listed(self) -> Iterator[tuple[str, list[Placement]]]:
        keys = (key for namespace in NAMESPACES for key in self.backend.list(f"{namespace}/"))
        while some := list(islice(keys, _BATCH)):
            rows = defaultdict(list)
            with self.database.read() as tx:
                for row in index.of_blobs(tx, some):
                    rows[row.blob].append(row)
            yield from ((key, rows[key]) for key in some)

    def _judge(self, blob: str, check: Future[BlobCheck], rows: Sequence[Placement]) -> None:
        try:
            found = check.result()
        except NotFound:
            return  # collected meanwhile; if a row leads to it, it will be missed below
        except IntegrityError as error:
            self._report(blob, None, error.message)
            self._judge_rows_alone(rows)
            return
        self.blobs += 1
        self.size_bytes += found.size_bytes
        for entry in found.damaged:
            self._report(blob, entry.name, "its bytes do not hash to its name")
        placed = {Entry(row.name, row.start_byte, row.size_bytes) for row in rows}
        sound = set(found.sound)
        self.objects += len(placed & sound)
        self.unplaced += len(sound - placed)
        for entry in sorted(placed - sound - set(found.damaged), key=lambda e: e.start_byte):
            self._report(blob, entry.name, "its row leads to bytes that are not this object")

    def _judge_rows_alone(self, rows: Sequence[Placement]) -> None:
        """Without a table, each row is followed by itself."""
        self.blobs += 1
        for row in sorted(rows):
            self.size_bytes += row.size_bytes
            try:
                read_object(self.backend, row)
            except IntegrityError as error:
                self._report(row.blob, row.name, error.message)
            else:
                self.objects += 1

    def _find_missing_blobs(self) -> None:
        last: str | None = None
        while True:
            with self.database.read() as tx:
                blobs = index.blobs(tx, last)
            if not blobs:
                return
            for blob in blobs:
                if not self._exists(blob):
                    self._report_rows_of(blob)
            last = blobs[-1]

    def _exists(self, blob: str) -> bool:
        try:
            self.backend.get(blob, 0, 0)
        except IntegrityError:
            return True  # there, and reported above
        except CloisterError:
            return False
        return True

    def _report_rows_of(self, blob: str) -> None:
        with self.database.read() as tx:
            rows = index.of_blobs(tx, [blob])
        for row in sorted(rows):
            self._report(blob, row.name, "its blob is missing")

    def _report(self, blob: str, name: str | None, problem: str) -> None:
        self.problems += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(blob, name, problem))

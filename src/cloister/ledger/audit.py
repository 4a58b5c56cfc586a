"""The whole record checked: the log against its head, every row against the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cloister.core.clock import Clock, SystemClock
from cloister.core.errors import DatabaseDamaged
from cloister.core.events import Projection, SqlValue, Transaction
from cloister.db import Database, Migration, definitions, quoted, scratch_database
from cloister.ledger.audit_log import LogAudit
from cloister.ledger.audit_replay import Replay
from cloister.ledger.audit_rows import Difference, RowAudit, compare_definitions
from cloister.ledger.audit_writers import Place, last_writers
from cloister.ledger.findings import LARGEST, AuditReport, Finding, FindingKind, Findings
from cloister.ledger.reader import LedgerReader

Progress = Callable[[int, int], None]
"""Called with what is done and what there is in all, entries and rows together."""

_CLOCK = SystemClock()

__all__ = ["AuditReport", "Finding", "FindingKind", "Progress", "audit"]


def audit(  # noqa: PLR0913 - one call, one report
    database: Database,
    reader: LedgerReader,
    projections: Mapping[str, Projection],
    tables: Sequence[str],
    migrations: Sequence[Migration],
    *,
    on_progress: Progress | None = None,
    clock: Clock = _CLOCK,
) -> AuditReport:
    """Everything that is not what was signed; without ``tables``, the log alone is checked.

    Works on one snapshot, so a lab in use can be audited. ``tables`` are the projected
    ones; ``migrations`` all that made the database. It never raises for what it finds.
    """
    started = clock.monotonic_s()
    work = _Audit(reader, projections, tables, migrations, on_progress)
    try:
        if tables:
            work.check_file(database)
        with database.read() as live, scratch_database(migrations) as scratch:
            work.compare(live, scratch)
    except DatabaseDamaged as error:
        work.findings.add(Finding(FindingKind.FILE, f"{error.message}: the audit ends here"))
    return AuditReport(
        work.events,
        work.rows,
        clock.monotonic_s() - started,
        tuple(work.findings.listed),
        work.findings.count,
        tuple(work.findings.warnings),
    )


class _Audit:
    """One run: what it works with, and how far it came."""

    def __init__(
        self,
        reader: LedgerReader,
        projections: Mapping[str, Projection],
        tables: Sequence[str],
        migrations: Sequence[Migration],
        on_progress: Progress | None,
    ) -> None:
        self._reader = reader
        self._projections = projections
        self._tables = tables
        self._migrations = migrations
        self._on_progress = on_progress
        self._total = 0
        self.findings = Findings()
        self.events = 0
        self.rows = 0

    def check_file(self, database: Database) -> None:
        """Pages, and indexes against their tables."""
        for problem in database.check():
            self.findings.add(Finding(FindingKind.FILE, f"the database file: {problem}"))

    def compare(self, live: Transaction, scratch: Transaction) -> None:
        """The log with its head, then every row with what a replay of the log makes."""
        self._total = _how_much(live, self._tables)
        replay = Replay(scratch, self._projections, self.findings)
        self._compare_log(live, replay)
        if not self._tables:
            return
        wrong = compare_definitions(live, scratch, self.findings)
        tables = [table for table in self._tables if table not in wrong]
        if replay.whole and (found := self._compare_rows(live, scratch, tables)):
            places = {(row.table, row.key) for row in found}
            events = self._reader.events(live)
            writers = last_writers(events, places, self._projections, self._migrations)
            _report(found, writers, self.findings)

    def _compare_log(self, live: Transaction, replay: Replay) -> None:
        log = LogAudit(live, self.findings)
        head = log.signed_head(self._reader)
        for entries in log.entries():
            if self._tables:
                replay.take(entries)
            self.events += len(entries)
            self._tell()
        log.check_end(head)

    def _compare_rows(
        self, live: Transaction, scratch: Transaction, tables: Sequence[str]
    ) -> list[Difference]:
        """The first differences of each table; the others are counted."""
        found: list[Difference] = []
        rows = RowAudit(live, scratch)
        for table in tables:
            listed = 0
            for difference in rows.differences(table):
                if difference is not None and listed < LARGEST:
                    found.append(difference)
                    listed += 1
                elif difference is not None:
                    self.findings.count += 1
                self.rows = rows.rows
                self._tell()
        return found

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(min(self.events + self.rows, self._total), self._total)


def _report(
    found: Sequence[Difference], writers: Mapping[Place, int], findings: Findings
) -> None:
    for row in found:
        event = writers.get((row.table, row.key))
        told = "no event ever wrote it" if event is None else f"last written by event {event}"
        key = ", ".join(_shown(value) for value in row.key)
        message = f"{row.table} ({key}): {row.message}; {told}"
        findings.add(Finding(FindingKind.ROW, message, event, row.table, row.key))


def _shown(value: SqlValue) -> str:
    """A key as text: ids in full, sealed bytes by their beginning."""
    return f"{value[:8].hex()}..." if isinstance(value, bytes) else str(value)


def _how_much(live: Transaction, tables: Sequence[str]) -> int:
    there = definitions(live)
    counted = ["ledger_leaf", *(table for table in tables if f"table {table}" in there)]
    counts = (f"SELECT COUNT(*) FROM {quoted(table)}" for table in counted)  # noqa: S608 - quoted
    return sum(live.query(count)[0][0] for count in counts)

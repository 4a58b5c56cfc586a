"""The whole record checked: the log against its head, every row against the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cloister.core.clock import Clock, SystemClock
from cloister.core.events import Projection, SqlValue, Transaction
from cloister.db import Database, Migration, definitions, quoted, scratch_database
from cloister.ledger.audit_log import Entry, LogAudit
from cloister.ledger.audit_replay import Replay
from cloister.ledger.audit_rows import Difference, RowAudit, compare_definitions
from cloister.ledger.audit_writers import Place, last_writers
from cloister.ledger.findings import AuditReport, Finding, FindingKind, Findings
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
    findings = Findings()
    if tables:
        for problem in database.check():
            findings.add(Finding(FindingKind.FILE, f"the database file: {problem}"))
    with database.read() as live, scratch_database(migrations) as scratch:
        progress = _Progress(on_progress, _how_much(live, tables))
        replay = Replay(scratch, projections, findings)
        events = _audit_log(
            live, reader, findings, progress, replay.take if tables else _no_replay
        )
        rows = 0
        if tables:
            compare_definitions(live, scratch, findings)
        if tables and replay.whole:
            found, rows = _audit_rows(live, scratch, tables, progress)
            if found:
                places = {(row.table, row.key) for row in found}
                writers = last_writers(reader.events(live), places, projections, migrations)
                _report(found, writers, findings)
    seconds = clock.monotonic_s() - started
    return AuditReport(
        events,
        rows,
        seconds,
        tuple(findings.listed),
        findings.count,
        tuple(findings.warnings),
    )


def _audit_log(
    live: Transaction,
    reader: LedgerReader,
    findings: Findings,
    progress: _Progress,
    take: Callable[[list[Entry]], None],
) -> int:
    """Checks every entry and hands it on; gives how many there are."""
    log = LogAudit(live, findings)
    head = log.signed_head(reader)
    for entries in log.entries():
        take(entries)
        progress.advance(len(entries))
    log.check_head(head)
    return log.size


def _audit_rows(
    live: Transaction, scratch: Transaction, tables: Sequence[str], progress: _Progress
) -> tuple[list[Difference], int]:
    """The rows that differ, and how many were compared."""
    found: list[Difference] = []
    audit = RowAudit(live, scratch)
    for table in tables:
        for difference in audit.differences(table):
            if difference is not None:
                found.append(difference)
            progress.reach_rows(audit.rows)
    return found, audit.rows


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


def _no_replay(entries: list[Entry]) -> None:
    """When the log alone is asked for."""


class _Progress:
    """Entries, then rows, counted together."""

    def __init__(self, tell: Progress | None, total: int) -> None:
        self._tell = tell
        self._total = total
        self._entries = 0

    def advance(self, entries: int) -> None:
        self._entries += entries
        self.reach_rows(0)

    def reach_rows(self, rows: int) -> None:
        if self._tell is not None:
            self._tell(min(self._entries + rows, self._total), self._total)

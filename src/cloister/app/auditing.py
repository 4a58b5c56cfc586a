"""Audit: the whole record checked, with or without the keys."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.app.config import Config
from cloister.app.platform import MIGRATIONS, PROJECTIONS, TABLES, read_keys
from cloister.core.errors import NotVerified
from cloister.core.progress import Progress, silent
from cloister.core.words import count
from cloister.db import open_database
from cloister.identity import people
from cloister.keys.signing import verify
from cloister.ledger import (
    Head,
    HeadMemory,
    HeadStatus,
    LedgerReader,
    Restoration,
    accept_restored,
    check_head,
)
from cloister.ledger.audit import AuditReport, audit
from cloister.policy import Action, require


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit found, and how the log stands to what this user saw before."""

    report: AuditReport
    head: Head
    status: HeadStatus


def audit_lab(
    config: Config, uid: int, progress: Progress = silent, *, rows: bool = True
) -> Audited:
    """Checks the log against its signed head and remembered heads, and every row against it.

    Needs no keys. Raises LedgerForked, LedgerRolledBack, NotVerified before anything else is
    looked at; what the audit itself finds is in the report.
    """
    reader = LedgerReader(read_keys(config).log, verify)
    database = open_database(config.database, MIGRATIONS, read_only=True)
    try:
        status = check_head(reader, database, HeadMemory(config.heads))
        with database.read() as tx:
            require(people.actor_of_uid(tx, uid), Action.AUDIT)
            head = reader.head(tx)
        report = audit(
            database,
            reader,
            PROJECTIONS,
            TABLES if rows else (),
            MIGRATIONS,
            on_progress=lambda done, of: progress("auditing", done, of),
        )
    finally:
        database.close()
    return Audited(report, head, status)


def accept(config: Config, uid: int) -> tuple[Head, Head, Restoration]:
    """Goes on with a lab that was restored to less than this user had seen.

    Gives what had been seen, what there is now, and the entry that says so. Raises NotFound
    where there is nothing to accept, NotAllowed for a stranger to the lab.
    """
    reader = LedgerReader(read_keys(config).log, verify)
    database = open_database(config.database, MIGRATIONS, read_only=True)
    try:
        with database.read() as tx:
            require(people.actor_of_uid(tx, uid), Action.AUDIT)
        return accept_restored(reader, database, HeadMemory(config.heads))
    finally:
        database.close()


def require_whole(audited: Audited) -> None:
    """Raises NotVerified when anything was found."""
    if audited.report.findings:
        raise NotVerified(
            f"the audit found {count(audited.report.found, 'thing')} unlike what was signed",
            hint="stop writing to this lab; compare it with a backup",
        )

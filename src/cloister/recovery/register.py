"""What the ledger says of backups: where they go, and how far each has come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cloister.core.errors import NotFound
from cloister.core.events import Projection, Recorded, Statement, Transaction, no_rows
from cloister.core.ids import CollectionId, TargetId
from cloister.db import Migration
from cloister.ledger import event_of

MIGRATIONS = (
    Migration(
        "recovery",
        1,
        (
            "CREATE TABLE backup_target (target TEXT PRIMARY KEY, uri TEXT NOT NULL,"
            " owner TEXT NOT NULL, added INTEGER NOT NULL)",
            "CREATE TABLE backup_save (target TEXT PRIMARY KEY, number INTEGER NOT NULL,"
            " size INTEGER NOT NULL, sha256 TEXT NOT NULL, time TEXT NOT NULL,"
            " recorded INTEGER NOT NULL)",
        ),
    ),
    Migration(
        "recovery",
        2,
        (
            "CREATE TABLE drill (scenario TEXT PRIMARY KEY, outcome TEXT NOT NULL,"
            " rpo_ms INTEGER, rto_ms INTEGER, bytes INTEGER NOT NULL, time TEXT NOT NULL,"
            " recorded INTEGER NOT NULL)",
        ),
    ),
)
TABLES = ("backup_target", "backup_save", "drill")
OWN_ENTRIES = ("backup.saved", "keys.journaled")
"""Entries that a backup leaves itself: they alone do not make the next one due."""


@dataclass(frozen=True, slots=True)
class KnownTarget:
    """One place that backups go to, as the ledger knows it."""

    target: TargetId
    uri: str
    owner: CollectionId


@dataclass(frozen=True, slots=True)
class LastSave:
    """The newest save at a target that is on record."""

    number: int
    size: int
    """How many entries of the ledger it reaches."""
    sha256: str
    time: str


@dataclass(frozen=True, slots=True)
class LastDrill:
    """What the newest rehearsal of one disaster measured."""

    scenario: str
    outcome: str
    """``passed``, ``failed`` or ``not rehearsed``."""
    rpo_ms: int | None
    rto_ms: int | None
    fetched_bytes: int
    time: str


@dataclass(frozen=True, slots=True)
class Behind:
    """What a backup does not have yet."""

    entries: int
    """Changes that nothing but this lab's disk remembers."""
    since: str | None
    """When the oldest of them was made."""


def targeted(recorded: Recorded) -> Iterator[Statement]:
    """A new place for backups."""
    yield Statement(
        "INSERT INTO backup_target VALUES (:target, :uri, :owner, :added)",
        {**recorded.event.body, "added": recorded.index},
    )


def saved(recorded: Recorded) -> Iterator[Statement]:
    """A save is whole at its target."""
    body = recorded.event.body
    row = {name: body[name] for name in ("target", "number", "size", "sha256")}
    yield Statement(
        "INSERT INTO backup_save VALUES (:target, :number, :size, :sha256, :time, :recorded)"
        " ON CONFLICT (target) DO UPDATE SET number = excluded.number, size = excluded.size,"
        " sha256 = excluded.sha256, time = excluded.time, recorded = excluded.recorded"
        " WHERE excluded.number > backup_save.number",
        {**row, "time": recorded.event.time, "recorded": recorded.index},
    )


def drilled(recorded: Recorded) -> Iterator[Statement]:
    """A disaster was rehearsed; the newest of its kind counts."""
    body = recorded.event.body
    row = {name: body[name] for name in ("scenario", "outcome", "rpo_ms", "rto_ms", "bytes")}
    yield Statement(
        "INSERT INTO drill VALUES (:scenario, :outcome, :rpo_ms, :rto_ms, :bytes, :time,"
        " :recorded) ON CONFLICT (scenario) DO UPDATE SET outcome = excluded.outcome,"
        " rpo_ms = excluded.rpo_ms, rto_ms = excluded.rto_ms, bytes = excluded.bytes,"
        " time = excluded.time, recorded = excluded.recorded"
        " WHERE excluded.recorded > drill.recorded",
        {**row, "time": recorded.event.time, "recorded": recorded.index},
    )


PROJECTIONS: Mapping[str, Projection] = {
    "backup.targeted": targeted,
    "backup.saved": saved,
    "backup.mended": no_rows,
    "lab.restored": no_rows,
    "drill.completed": drilled,
}


def last_drills(tx: Transaction) -> dict[str, LastDrill]:
    """The newest rehearsal of each scenario."""
    rows = tx.query("SELECT scenario, outcome, rpo_ms, rto_ms, bytes, time FROM drill")
    return {row[0]: LastDrill(*row) for row in rows}


def targets(tx: Transaction) -> list[KnownTarget]:
    """Every target, oldest first."""
    rows = tx.query("SELECT target, uri, owner FROM backup_target ORDER BY added")
    return [KnownTarget(TargetId(name), uri, CollectionId(who)) for name, uri, who in rows]


def find_target(tx: Transaction, name: str) -> KnownTarget:
    """The target of that id, its beginning, or URI; raises NotFound."""
    known = targets(tx)
    for one in known:
        if name in {one.target, one.uri, one.uri.partition(":")[2]}:
            return one
    close = [one for one in known if one.target.startswith(name)]
    if len(close) == 1:
        return close[0]
    raise NotFound("no such backup target", hint="see `cloister backup ls`")


def last_save(tx: Transaction, target: TargetId) -> LastSave | None:
    """The newest save on record."""
    rows = tx.query(
        "SELECT number, size, sha256, time FROM backup_save WHERE target = ?", (target,)
    )
    return LastSave(*rows[0]) if rows else None


def ever_saved(tx: Transaction) -> bool:
    """Whether anything was saved anywhere."""
    return bool(tx.query("SELECT 1 FROM backup_save LIMIT 1"))


def behind(tx: Transaction, size: int, end: int = 2**62) -> Behind:
    """What came after the first ``size`` entries, up to ``end``, but for a backup's own."""
    marks = " OR ".join("instr(leaf, ?) > 0" for _ in OWN_ENTRIES)
    own = [f'"type":"{name}"'.encode() for name in OWN_ENTRIES]
    count, since = tx.query(
        "SELECT COUNT(*), MIN(position) FROM ledger_leaf"  # noqa: S608 - constants
        f" WHERE position >= ? AND position < ? AND NOT ({marks})",
        (size, end, *own),
    )[0]
    return Behind(count, None if since is None else time_of(tx, since))


def time_of(tx: Transaction, index: int) -> str:
    """When an entry was made; raises NotFound."""
    rows = tx.query("SELECT leaf FROM ledger_leaf WHERE position = ?", (index,))
    return event_of(rows[0][0]).time

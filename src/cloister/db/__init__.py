"""Transactions that are durable when they return, many callers sharing one commit."""

from cloister.db.catalog import (
    TableLayout,
    definitions,
    expected_definitions,
    quoted,
    table_layout,
)
from cloister.db.database import Database, Weakness
from cloister.db.engines import (
    SQLITE_FILES,
    check_uri,
    claim,
    is_server,
    open_database,
    release,
    weaknesses,
    wipe,
)
from cloister.db.migrations import Migration
from cloister.db.savepoint import savepoint
from cloister.db.scratch import scratch_database
from cloister.db.snapshot import snapshot
from cloister.db.sqlite import is_behind

__all__ = [
    "SQLITE_FILES",
    "Database",
    "Migration",
    "TableLayout",
    "Weakness",
    "check_uri",
    "claim",
    "definitions",
    "expected_definitions",
    "is_behind",
    "is_server",
    "open_database",
    "quoted",
    "release",
    "savepoint",
    "scratch_database",
    "snapshot",
    "table_layout",
    "weaknesses",
    "wipe",
]

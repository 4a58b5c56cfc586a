"""Transactions that are durable when they return, many callers sharing one commit."""

from cloister.db.catalog import (
    TableLayout,
    definitions,
    expected_definitions,
    quoted,
    table_layout,
)
from cloister.db.database import Database
from cloister.db.engines import check_uri, is_empty, is_server, open_database, wipe
from cloister.db.migrations import Migration
from cloister.db.savepoint import savepoint
from cloister.db.scratch import scratch_database
from cloister.db.snapshot import snapshot
from cloister.db.sqlite import is_behind

__all__ = [
    "Database",
    "Migration",
    "TableLayout",
    "check_uri",
    "definitions",
    "expected_definitions",
    "is_behind",
    "is_empty",
    "is_server",
    "open_database",
    "quoted",
    "savepoint",
    "scratch_database",
    "snapshot",
    "table_layout",
    "wipe",
]

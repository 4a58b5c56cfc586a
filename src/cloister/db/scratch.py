"""A database that nobody else sees and that is gone with its block."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence

from cloister.core.events import Transaction
from cloister.db.migrations import Migration, migrate
from cloister.db.sqlite_transaction import SqliteTransaction


@contextlib.contextmanager
def scratch_database(migrations: Sequence[Migration]) -> Iterator[Transaction]:
    """An empty, migrated database in memory; what outgrows the cache goes to an unlinked file.

    It has no journal: after an error inside a statement its content means nothing.
    """
    connection = sqlite3.connect("", isolation_level=None, cached_statements=512)
    transaction = SqliteTransaction(connection)
    try:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -131072"):
            transaction.execute(f"PRAGMA {pragma}")
        transaction.execute("PRAGMA foreign_keys = ON")
        transaction.execute("BEGIN")
        migrate(transaction, migrations)
        yield transaction
    finally:
        transaction.end()
        connection.close()

"""Where the log lies: entries, the inner nodes of their tree, and the signed head."""

from __future__ import annotations

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration

MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        "ledger",
        1,
        (
            """
            CREATE TABLE ledger_leaf (
                position INTEGER PRIMARY KEY,
                hash BLOB NOT NULL,
                leaf BLOB NOT NULL
            )
            """,
            """
            CREATE TABLE ledger_node (
                position INTEGER PRIMARY KEY,
                hash BLOB NOT NULL
            )
            """,
            """
            CREATE TABLE ledger_head (
                id INTEGER PRIMARY KEY CHECK (id = 1),
                size INTEGER NOT NULL,
                root BLOB NOT NULL,
                note TEXT NOT NULL
            )
            """,
        ),
    ),
)
PROJECTIONS: Mapping[str, Projection] = {}
TABLES: tuple[str, ...] = ()
"""None is projected: these are what the others are projected from."""

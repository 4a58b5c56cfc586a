"""Whether the server can read every row and every index of a schema."""

from __future__ import annotations

import psycopg

from cloister.core.errors import CloisterError, NotAllowed
from cloister.core.events import Transaction
from cloister.db.savepoint import savepoint

_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ? AND c.relkind = 'r' ORDER BY c.relname
"""
_INDEXES = """
    SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? ORDER BY c.relname
"""
_HAS_AMCHECK = """
    SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'amcheck'
"""


def damage(transaction: Transaction, schema: str) -> list[str]:
    """What cannot be read, or is not in its index; empty when sound.

    Every row is read whole, so pages with checksums are compared with them. Indexes are
    compared with their tables where the extension amcheck is there and the lab may use it.
    """
    found: list[str] = []
    for (table,) in transaction.query(_TABLES, (schema,)):
        whole = f'SELECT SUM(LENGTH(CAST(t AS TEXT))) FROM "{schema}"."{table}" AS t'  # noqa: S608
        found += _tried(transaction, f"table {table}", whole)
    checks = transaction.query(_HAS_AMCHECK)
    for index, valid in transaction.query(_INDEXES, (schema,)):
        if not valid:
            found.append(f"index {index} was never finished")
        elif checks:
            sql = f'SELECT "{checks[0][0]}".bt_index_check(CAST(? AS regclass), true)'
            found += _tried(transaction, f"index {index}", sql, f'"{schema}"."{index}"')
    return found


def _tried(transaction: Transaction, what: str, sql: str, *values: str) -> list[str]:
    try:
        with savepoint(transaction):
            transaction.query(sql, values)
    except NotAllowed:
        return []  # amcheck belongs to somebody else
    except (CloisterError, psycopg.Error) as error:
        said = error.message if isinstance(error, CloisterError) else type(error).__name__
        return [f"{what}: {said}"]
    return []

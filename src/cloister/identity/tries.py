"""Failed logins of the last minutes: counted across restarts, and forgotten soon.

No part of the record: what is worth recording of a refusal is an event.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from cloister.core.events import Transaction

SCHEMA = (
    "CREATE TABLE login_try (mark TEXT PRIMARY KEY, times TEXT NOT NULL,"
    " last_ms INTEGER NOT NULL)",
    "CREATE INDEX login_try_last ON login_try (last_ms)",
)


def times(tx: Transaction, key: str) -> list[int]:
    """When it failed, in milliseconds since 1970, oldest first."""
    rows = tx.query("SELECT times FROM login_try WHERE mark = ?", (_mark(key),))
    return list(json.loads(rows[0][0])) if rows else []


def keep(tx: Transaction, key: str, found: Sequence[int]) -> None:
    """Says when it failed; never, for an empty list."""
    if not found:
        tx.execute("DELETE FROM login_try WHERE mark = ?", (_mark(key),))
        return
    tx.execute(
        "INSERT INTO login_try VALUES (?, ?, ?) ON CONFLICT (mark) DO UPDATE"
        " SET times = excluded.times, last_ms = excluded.last_ms",
        (_mark(key), json.dumps(list(found)), found[-1]),
    )


def forget(tx: Transaction, before_ms: int, most: int) -> None:
    """Drops what is older, and the oldest of more than ``most``."""
    tx.execute("DELETE FROM login_try WHERE last_ms < ?", (before_ms,))
    ((count,),) = tx.query("SELECT COUNT(*) FROM login_try")
    if count > most:
        tx.execute(
            "DELETE FROM login_try WHERE mark IN"
            " (SELECT mark FROM login_try ORDER BY last_ms LIMIT ?)",
            (count - most,),
        )


def _mark(key: str) -> str:
    """Neither names nor addresses lie about."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()

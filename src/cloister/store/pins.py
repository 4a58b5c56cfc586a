"""What is in use: an object that is pinned or held is neither discarded nor collected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloister.core.errors import Conflict, WriteOnce
from cloister.core.events import Transaction
from cloister.store.placements import batches, marks


def pin(tx: Transaction, names: Iterable[str], owner: str) -> None:
    """``owner`` (a run, a version) uses these objects; one object may have many owners."""
    tx.execute_many(
        "INSERT INTO object_pin (name, owner) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(name, owner) for name in names],
    )


def unpin(tx: Transaction, owner: str) -> None:
    """``owner`` uses none of its objects any more."""
    tx.execute("DELETE FROM object_pin WHERE owner = ?", (owner,))


def hold(tx: Transaction, names: Iterable[str], reason: str) -> None:
    """Puts objects under a legal hold, until it is released by name."""
    tx.execute_many(
        "INSERT INTO object_hold (name, reason) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET reason = excluded.reason",
        [(name, reason) for name in names],
    )


def release(tx: Transaction, names: Iterable[str]) -> None:
    """Ends a legal hold."""
    tx.execute_many("DELETE FROM object_hold WHERE name = ?", [(name,) for name in names])


def in_use(tx: Transaction, names: Sequence[str]) -> set[str]:
    """Those of ``names`` that are pinned or held."""
    return _among(tx, "object_pin", names) | held(tx, names)


def held(tx: Transaction, names: Sequence[str]) -> set[str]:
    """Those of ``names`` under a legal hold."""
    return _among(tx, "object_hold", names)


def refuse_if_used(tx: Transaction, names: Sequence[str]) -> None:
    """Raises WriteOnce for an object under a hold, Conflict for a pinned one."""
    if found := held(tx, names):
        raise WriteOnce(f"object {min(found)} is under a legal hold: it cannot be discarded")
    if found := in_use(tx, names):
        raise Conflict(f"object {min(found)} is in use: it cannot be discarded")


def _among(tx: Transaction, table: str, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for some in batches(names):
        rows = tx.query(
            f"SELECT DISTINCT name FROM {table} WHERE name IN ({marks(some)})",  # noqa: S608
            some,
        )
        found.update(name for (name,) in rows)
    return found

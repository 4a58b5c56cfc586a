"""Tainted runs: those that were given data of somebody who was erased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloister.core.events import Recorded, Statement, Transaction

SCHEMA = (
    "CREATE TABLE run_taint (run TEXT NOT NULL, operation TEXT NOT NULL,"
    " idx INTEGER NOT NULL, PRIMARY KEY (run, operation))",
)


def run_tainted(recorded: Recorded) -> Iterator[Statement]:
    """Somebody whose data a run was given is erased; what came of the run may hold them."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO run_taint VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (body["run"], body["operation"], recorded.index),
    )


def operations(tx: Transaction, run: str) -> list[str]:
    """The erasures of people whose data ``run`` was given, oldest first."""
    rows = tx.query("SELECT operation FROM run_taint WHERE run = ? ORDER BY idx", (run,))
    return [row[0] for row in rows]


def among(tx: Transaction, runs: Sequence[str]) -> frozenset[str]:
    """Those of these runs that are tainted; as many as one query takes."""
    marks = ", ".join("?" * len(runs))
    rows = tx.query(f"SELECT DISTINCT run FROM run_taint WHERE run IN ({marks})", runs)  # noqa: S608
    return frozenset(row[0] for row in rows)

"""Marks: what the record says of where tracked things come from, whatever clients say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from cloister.core.events import Transaction
from cloister.tracking import origins
from cloister.tracking.registry import Version
from cloister.tracking.selecting import rows_of

K = TypeVar("K")


class Marks(NamedTuple):
    """What is said of one thing."""

    tainted: bool = False
    """Somebody whose data the run that made it was given was erased."""


def of_fenced(tx: Transaction, runs: Iterable[str | None]) -> Mapping[str | None, Marks]:
    """The marks of runs of the fence; what no fence was around has none."""
    wanted = sorted({run for run in runs if run is not None})
    tainted = {
        row[0]
        for table in ("run_taint", "taint")  # the latter: erasures by an earlier release
        for row in rows_of(tx, f"SELECT run FROM {table} WHERE run IN (...)", wanted)  # noqa: S608
    }
    return {None: Marks()} | {run: Marks(run in tainted) for run in wanted}


def of_holders(tx: Transaction, names: Sequence[str]) -> Mapping[str, Marks]:
    """The marks of tracked runs and logged models, by the fenced runs that made them."""
    return _joined(tx, origins.of_holders(tx, names))


def of_versions(
    tx: Transaction, versions: Sequence[Version]
) -> Mapping[tuple[int, int], Marks]:
    """The marks of versions of registered models."""
    return _joined(tx, origins.of_versions(tx, versions))


def _joined(tx: Transaction, made_by: Mapping[K, frozenset[str]]) -> Mapping[K, Marks]:
    known = of_fenced(tx, (run for runs in made_by.values() for run in runs))
    return {
        key: Marks(any(known[run].tainted for run in runs)) for key, runs in made_by.items()
    }

"""Marks: what the record says of where tracked things come from, whatever clients say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from cloister.core.events import Transaction
from cloister.datasets.classes import DataClass, highest
from cloister.tracking import origins
from cloister.tracking.registry import Version
from cloister.tracking.selecting import rows_of
from cloister.workflows import _classes

K = TypeVar("K")


class Marks(NamedTuple):
    """What is said of one thing."""

    tainted: bool = False
    """Somebody whose data the run that made it was given was erased."""
    data_class: DataClass | None = None
    """Of the data that made it; None where it is of none, or no fence was around it."""


def of_fenced(tx: Transaction, runs: Iterable[str | None]) -> Mapping[str | None, Marks]:
    """The marks of runs of the fence; what no fence was around has none."""
    wanted = sorted({run for run in runs if run is not None})
    if not wanted:
        return {None: Marks()}
    tainted = {
        row[0]
        for table in ("run_taint", "taint")  # the latter: erasures by an earlier release
        for row in rows_of(tx, f"SELECT run FROM {table} WHERE run IN (...)", wanted)  # noqa: S608
    }
    classes = _classes.of_runs(tx, wanted)
    marks = {run: Marks(run in tainted, classes.get(run)) for run in wanted}
    return {None: Marks()} | marks


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
    return {key: _all([known[run] for run in runs]) for key, runs in made_by.items()}


def _all(marks: Sequence[Marks]) -> Marks:
    """What is said of a thing that several runs made."""
    classes = (one.data_class for one in marks if one.data_class is not None)
    return Marks(any(one.tainted for one in marks), highest(classes))

"""Which class what came of data is of: the highest that its data had since it was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cloister.core.events import Transaction
from cloister.datasets import classes
from cloister.datasets.classes import DataClass
from cloister.tracking.selecting import rows_of

_GIVEN = (
    "SELECT i.run, i.dataset, r.begun FROM run_input i JOIN run r ON r.run = i.run"
    " WHERE i.run IN (...)"
)
_CAME_OF = (
    "SELECT run, origin FROM run_link WHERE how = 'resume' AND run IN (...)",
    "SELECT run, origin FROM export WHERE run IN (...)",
)


def of_run(tx: Transaction, run: str) -> DataClass | None:
    """The class of a run and of all it left; None for one that was given no data."""
    return of_runs(tx, [run]).get(run)


def of_runs(tx: Transaction, runs: Iterable[str]) -> Mapping[str, DataClass]:
    """The classes of those runs that were given data.

    A run that went on with another, or converted what it left, is as high as that one.
    """
    wanted = sorted(set(runs))
    before = _before(tx, wanted)
    said = classes.history(tx)
    found: dict[str, list[DataClass]] = {}
    for run, dataset, begun in rows_of(tx, _GIVEN, [*{*wanted, *before.values()}]):
        found.setdefault(run, []).append(classes.since(said.get(dataset, ()), begun))
    for run in wanted:
        origin = before.get(run)
        while origin is not None:
            found.setdefault(run, []).extend(found.get(origin, ()))
            origin = before.get(origin)
    return {run: max(found[run], key=lambda one: one.rank) for run in wanted if found.get(run)}


def _before(tx: Transaction, runs: Iterable[str]) -> Mapping[str, str]:
    """What each run came of, and that of something else, to the first."""
    found: dict[str, str] = {}
    asked = set(runs)
    while asked:
        new: dict[str, str] = dict(
            row for sql in _CAME_OF for row in rows_of(tx, sql, sorted(asked))
        )
        found |= new
        asked = set(new.values()) - found.keys()
    return found


def places_of(tx: Transaction, datasets: Iterable[str]) -> set[int]:
    """Where the ledger says which class these datasets are of."""
    said = classes.history(tx)
    return {one.place for name in datasets for one in said.get(name, ())}

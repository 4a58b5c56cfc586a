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
    "SELECT run, source FROM run_source WHERE run IN (...)",
)


def of_run(tx: Transaction, run: str) -> DataClass | None:
    """The class of a run and of all it left; None for one that was given no data."""
    return of_runs(tx, [run]).get(run)


def of_runs(tx: Transaction, runs: Iterable[str]) -> Mapping[str, DataClass]:
    """The classes of those runs that were given data.

    A run that went on with another, converted what it left, or took a value that it gave, is
    as high as that one.
    """
    wanted = sorted(set(runs))
    before = _before(tx, wanted)
    origins = {origin for each in before.values() for origin in each}
    said = classes.history(tx)
    own: dict[str, list[DataClass]] = {}
    for run, dataset, begun in rows_of(tx, _GIVEN, sorted({*wanted, *origins})):
        own.setdefault(run, []).append(classes.since(said.get(dataset, ()), begun))
    found = {}
    for run in wanted:
        its = [one for origin in _behind(before, run) for one in own.get(origin, ())]
        if its:
            found[run] = max(its, key=lambda one: one.rank)
    return found


def _behind(before: Mapping[str, set[str]], run: str) -> set[str]:
    """A run and all that it came of."""
    found, waiting = {run}, [run]
    while waiting:
        new = before.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _before(tx: Transaction, runs: Iterable[str]) -> Mapping[str, set[str]]:
    """What each run came of, and that of something else, to the first."""
    found: dict[str, set[str]] = {}
    asked = set(runs)
    while asked:
        new: dict[str, set[str]] = {}
        for sql in _CAME_OF:
            for run, origin in rows_of(tx, sql, sorted(asked)):
                new.setdefault(run, set()).add(origin)
        found |= new
        asked = {origin for each in new.values() for origin in each} - found.keys()
    return found


def places_of(tx: Transaction, datasets: Iterable[str]) -> set[int]:
    """Where the ledger says which class these datasets are of."""
    said = classes.history(tx)
    return {one.place for name in datasets for one in said.get(name, ())}

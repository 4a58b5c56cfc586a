"""Origins: which runs of the fence made what is tracked, by where its files are.

What a client says of itself is not asked: a version's own words may name another run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from cloister.core.events import Transaction
from cloister.tracking import registry
from cloister.tracking.registry import Version
from cloister.tracking.selecting import rows_of

_HOLDERS = (
    ("SELECT run, fenced FROM track_run WHERE run IN (...)"),
    ("SELECT model, fenced FROM track_model WHERE model IN (...)"),
    ("SELECT model, r.fenced FROM track_model m JOIN track_run r ON r.run = m.source_run"
     " WHERE model IN (...)"),
    ("SELECT DISTINCT holder, fenced FROM track_artifact WHERE holder IN (...)"),
)  # fmt: skip


def of_holders(tx: Transaction, names: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """The runs of the fence that made each holder, or logged a file of it."""
    wanted = sorted(set(names))
    found: dict[str, set[str]] = {}
    for sql in _HOLDERS:
        for holder, fenced in rows_of(tx, sql, wanted):
            if fenced is not None:
                found.setdefault(holder, set()).add(fenced)
    return {name: frozenset(found.get(name, ())) for name in wanted}


def of_versions(
    tx: Transaction, versions: Sequence[Version]
) -> Mapping[tuple[int, int], frozenset[str]]:
    """The runs of the fence that made each version of a registered model, by its key."""
    holders = {(one.number, one.version): _holders(one) for one in versions}
    made_by = of_holders(tx, (name for names in holders.values() for name in names))
    return {
        (one.number, one.version): _itself(one).union(
            *(made_by[name] for name in holders[one.number, one.version])
        )
        for one in versions
    }


def versions_by_run(tx: Transaction) -> Mapping[str, Sequence[Version]]:
    """The versions of registered models that each run of the fence made, in their order."""
    everything = registry.every_version(tx)
    made_by = of_versions(tx, everything)
    found: dict[str, list[Version]] = {}
    for one in everything:
        for fenced in made_by[one.number, one.version]:
            found.setdefault(fenced, []).append(one)
    return found


def _itself(version: Version) -> frozenset[str]:
    return frozenset() if version.fenced is None else frozenset({version.fenced})


def _holders(version: Version) -> set[str]:
    """Whose files it is made of: of its address, and of those that it names."""
    parts = version.place.removeprefix("mlflow-artifacts:/").strip("/").split("/")
    behind = [part for part, then in itertools.pairwise(parts) if then == "artifacts"]
    return {*behind[:1], version.run, version.model} - {""}

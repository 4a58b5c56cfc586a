"""Assets: what pipelines wait for, and whether it was made new."""

from __future__ import annotations

from cloister.core.events import Transaction
from cloister.datasets import records, versions
from cloister.datasets.records import Record
from cloister.datasets.versions import DatasetVersion
from cloister.identity import projects
from cloister.pipelines import scheduled
from cloister.pipelines.scheduled import Schedule
from cloister.tracking import registry
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import unsealed

Looked = dict[tuple[str, str], int]
"""(pipeline, bucket) -> the place in the ledger up to which it was looked through in vain."""


def made_since(lab: Lab, one: Schedule, asset: str, mark: int, looked: Looked) -> bool:
    """Whether it was made new after the place ``mark`` of the ledger.

    ``looked`` is kept between calls: names of records are sealed, and are opened once.
    """
    kind, _, name = asset.partition(":")
    if lab.read(lambda tx: scheduled.made_at(tx, asset)) > mark:
        return True
    if kind == "model":
        return lab.read(lambda tx: _aliased_at(tx, one, name)) > mark
    dataset, _, prefix = name.partition("/")
    newest = lab.read(lambda tx: _newest(tx, dataset))
    if newest is None or newest.place <= mark:
        return False
    if kind == "dataset":
        return True
    since = max(mark, looked.get((one.pipeline, asset), 0))
    added = lab.read(lambda tx: records.added_since(tx, dataset, since))
    if _any_below(lab, added, prefix):
        return True
    looked[one.pipeline, asset] = newest.place
    return False


def _newest(tx: Transaction, dataset: str) -> DatasetVersion | None:
    known = {one.name for one in versions.datasets(tx)}
    return versions.latest(tx, dataset) if dataset in known else None


def _aliased_at(tx: Transaction, one: Schedule, name: str) -> int:
    """Of a registered model of the project that the pipeline belongs to."""
    model, _, alias = name.rpartition("@")
    project = projects.of_object(tx, _seen.RUN, one.run)
    places = [
        registry.aliased_at(tx, found.number, alias)
        for found in registry.named(tx, model)
        if found.project == project
    ]
    return max(places, default=0)


def _any_below(lab: Lab, added: list[Record], prefix: str) -> bool:
    return any(one.meta.path.startswith(prefix) for one in unsealed(lab, added))

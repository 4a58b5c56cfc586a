"""Relabel: new labels for records that are there, without their folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cloister.core.events import Transaction
from cloister.core.ids import BatchId
from cloister.datasets import versions
from cloister.datasets.versions import DatasetVersion
from cloister.labels import rows
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.data._labelling import LabelSource, label, read_labels
from cloister.workflows.data._versioning import Change, next_version
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import source_folders


@dataclass(frozen=True, slots=True)
class Relabelled:
    """What became of a file of labels."""

    version: DatasetVersion
    """The one that shows them; the one before, where none was new."""
    labels: int
    problems: Mapping[str, int]


def relabel(lab: Lab, dataset: str, source: LabelSource) -> Relabelled:
    """Labels records of the newest version from a file; labels that are equal stay.

    Paths in the file are those the records were added from. Raises NotFound, BadInput,
    Conflict while another process changes the dataset.
    """
    act = lab.act(Action.LABEL)
    before = lab.read(lambda tx: _seen.version(lab, tx, dataset, Action.LABEL))
    name = before.dataset
    rules = replace(source.rules, folder=_home(lab, name))
    batch = BatchId.new(lab.randomness)
    with lab.alone(name):
        done = label(act, name, batch, (), read_labels(LabelSource(source.file, rules)))

        def write(tx: Transaction) -> None:
            latest = versions.resolve(tx, name)
            # What an interrupted relabelling wrote is shown by the next that is not.
            if batches := rows.batches_since(tx, name, latest.place):
                body = next_version(tx, Change(name, batches))
                lab.ledger.append(tx, [act.event("version.committed", body)])

        lab.database.write(write)
    return Relabelled(
        lab.read(lambda tx: versions.resolve(tx, name)), done.written, done.problems
    )


def _home(lab: Lab, name: str) -> Path | None:
    """The folder the dataset was added from: absolute paths below it count as relative."""
    known = lab.read(lambda tx: _seen.datasets(lab, tx))
    folders = source_folders(lab, [dataset for dataset in known if dataset.name == name])
    return next(iter(folders), None)

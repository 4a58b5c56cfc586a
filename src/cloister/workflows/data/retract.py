"""Retract: a wrong add taken back, within its grace period and before anybody used it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloister.core.errors import Conflict
from cloister.core.events import Transaction
from cloister.core.words import count
from cloister.datasets import corrections, versions
from cloister.datasets.versions import DatasetVersion
from cloister.policy import Action
from cloister.runs import history
from cloister.workflows import _seen
from cloister.workflows.lab import Lab


@dataclass(frozen=True, slots=True)
class Retracted:
    """What is gone, and what is the newest now."""

    version: DatasetVersion
    current: DatasetVersion | None


def retract(lab: Lab, reference: str) -> Retracted:
    """Takes the newest version of a dataset back: it was never used, and vanishes.

    Its records stay sealed in the store, write-once, and in no version; what it replaced is
    there again; labels that came with it hold no more; its number is not given again. Raises
    NotFound, Conflict with the reason why it is too late.
    """
    act = lab.act(Action.ADD)
    version = lab.read(lambda tx: _seen.version(lab, tx, reference, Action.ADD))
    with lab.alone(version.dataset):

        def write(tx: Transaction) -> None:
            _check(lab, tx, version)
            # Found out and recorded in one transaction: nobody begins to use it between.
            batches = _batches(lab, tx, version)
            body = {"batches": batches, "dataset": version.dataset, "number": version.number}
            withdrawn = {"batches": batches, "dataset": version.dataset}
            events = [act.event("version.retracted", body)]
            lab.ledger.append(tx, [*events, act.event("labels.withdrawn", withdrawn)])

        lab.database.write(write)
    return Retracted(version, lab.read(lambda tx: versions.latest(tx, version.dataset)))


def too_late(lab: Lab, tx: Transaction, version: DatasetVersion) -> str | None:
    """Why a version can no longer be taken back; None if it can."""
    try:
        _check(lab, tx, version)
    except Conflict as error:
        return error.message
    return None


def _check(lab: Lab, tx: Transaction, version: DatasetVersion) -> None:
    """Raises Conflict when the version can no longer be taken back."""
    newest = versions.latest(tx, version.dataset)
    if newest != version:
        raise Conflict(
            f"{version} cannot be retracted: it is not the newest, which is {newest}",
            hint=f"retract {newest} first",
        )
    age = lab.clock.now() - datetime.fromisoformat(version.time)
    if age > timedelta(hours=lab.grace_h):
        raise Conflict(
            f"{version} cannot be retracted: it is {count(age // timedelta(hours=1), 'hour')}"
            f" old, and the grace period is {count(lab.grace_h, 'hour')}",
            hint="raw data are write-once; a patient's data can be erased",
        )
    use = corrections.use_of(tx, version.dataset, version.number)
    if history.was_given(tx, version.dataset, version.number):
        use = "a run was given it"
    if use is not None:
        raise Conflict(
            f"{version} cannot be retracted: {use}",
            hint="what was used stays; add the mended folder, which makes the next version",
        )


def _batches(lab: Lab, tx: Transaction, version: DatasetVersion) -> list[str]:
    leaf = json.loads(lab.reader.leaf(tx, version.place))
    return [str(batch) for batch in leaf["body"]["batches"]]

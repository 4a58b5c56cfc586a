"""Retract: a wrong add taken back, within its grace period and before anybody used it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloister.core.errors import Conflict, NotFound
from cloister.core.events import Event, Transaction
from cloister.core.words import count
from cloister.datasets import corrections, records, versions
from cloister.datasets.versions import DatasetVersion
from cloister.policy import Action
from cloister.runs import history
from cloister.workflows import _seen
from cloister.workflows.data._versioning import Change, next_version
from cloister.workflows.lab import Act, Lab


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
            lab.ledger.append(tx, _events(act, version.dataset, version.number, batches))

        lab.database.write(write)
    return Retracted(version, lab.read(lambda tx: versions.latest(tx, version.dataset)))


def retract_unfinished(lab: Lab, dataset: str) -> int:
    """Takes back what an interrupted add sealed; gives how many records that were.

    It becomes a version and is retracted in one step, so that nobody ever sees it. Raises
    NotFound where no add was interrupted, Conflict while one goes on.
    """
    act = lab.act(Action.ADD)
    name = lab.read(lambda tx: _seen.dataset(lab, tx, dataset, Action.ADD))
    with lab.alone(name):

        def write(tx: Transaction) -> int:
            sealed = records.sealed_unseen(tx, name)
            if sealed is None:
                raise NotFound(
                    f"no add of {name} was interrupted",
                    hint=f"its newest version is taken back with `cloister retract {name}`",
                )
            left = records.unfinished(tx, name)
            batches = sorted({record.batch for record in left})
            body = next_version(tx, Change(name, batches, sorted(one.record for one in left)))
            committed = act.event("version.committed", body)
            lab.ledger.append(tx, [committed, *_events(act, name, body["number"], batches)])
            return sealed

        return lab.database.write(write)


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


def _events(act: Act, dataset: str, number: int, batches: Sequence[str]) -> list[Event]:
    withdrawn = {"batches": list(batches), "dataset": dataset}
    retracted = act.event("version.retracted", withdrawn | {"number": number})
    return [retracted, act.event("labels.withdrawn", withdrawn)]


def _batches(lab: Lab, tx: Transaction, version: DatasetVersion) -> list[str]:
    leaf = json.loads(lab.reader.leaf(tx, version.place))
    return [str(batch) for batch in leaf["body"]["batches"]]

"""Classify: says of which class a dataset is; upwards freely, downwards with care."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.errors import BadInput, Conflict
from cloister.core.events import Transaction
from cloister.core.ids import OperationId
from cloister.datasets import classes
from cloister.datasets.classes import Classified, DataClass
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
from cloister.workflows.people.approvals import consent, use

_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Reclassified:
    """What a dataset was, and is."""

    dataset: str
    before: DataClass
    now: DataClass


def classify(lab: Lab, dataset: str, wanted: DataClass, reason: str) -> Reclassified:
    """Puts a dataset into another class; runs of its data from now on are of that class.

    Runs that began before stay as high as they were. To lower it is grave: raises NotAllowed
    where the actor may not, or did not show who they are; BadInput for a reason that is empty
    or names a patient; NotFound; Conflict where it is of that class already; NeedsApproval
    where the lab asks for two persons.
    """
    lab.act(Action.LIST)
    _check_reason(lab, reason)
    before = lab.read(lambda tx: classes.of_dataset(tx, _seen.dataset(lab, tx, dataset)))
    action = Action.CLASSIFY if wanted.rank < before.rank else Action.ADD
    act = lab.act(action)
    if wanted == before:
        raise Conflict(f"{dataset} is {before} already")
    what = {"class": wanted.value, "dataset": dataset, "reason": reason}
    given = consent(act, action, what) if action is Action.CLASSIFY else None

    def write(tx: Transaction) -> None:
        name = _seen.dataset(lab, tx, dataset, action)
        if classes.of_dataset(tx, name) != before:
            raise Conflict(f"{name} was classified by somebody else meanwhile")
        told = [act.event("data.classified", body(name, wanted, reason))]
        if given is not None:
            told.insert(0, use(act, tx, given, OperationId.new(lab.randomness)))
        lab.ledger.append(tx, told)

    lab.database.write(write)
    return Reclassified(dataset, before, wanted)


def body(dataset: str, wanted: DataClass, why: str) -> dict[str, str]:
    """The fields of the event."""
    return {"class": wanted.value, "dataset": dataset, "why": why}


def said_of(lab: Lab, dataset: str) -> list[Classified]:
    """What was said of a dataset, oldest first; nothing of one that nobody classified."""
    lab.act(Action.LIST)
    return lab.read(
        lambda tx: list(classes.history(tx).get(_seen.dataset(lab, tx, dataset), ()))
    )


def _check_reason(lab: Lab, reason: str) -> None:
    """The reason stays in the ledger for ever, so it must not name anybody."""
    if not reason.strip() or len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise BadInput(f"the reason is 1 to {_LONGEST_REASON} characters of one line")
    if lab.identifier.redact_all((reason,))[0].subjects:
        raise BadInput("the reason holds a patient's id", hint="say why, not who: it is kept")

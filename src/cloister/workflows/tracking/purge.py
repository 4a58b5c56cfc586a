"""Purge: deleted runs gone for good, with everything that was logged of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloister.core.errors import BadInput
from cloister.core.events import Event, Transaction
from cloister.policy import Action
from cloister.tracking import artifacts, logged_models, runs, traces
from cloister.tracking.experiments import DELETED
from cloister.tracking.runs import TrackedRun
from cloister.workflows.lab import Act
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.artifacts import removals
from cloister.workflows.tracking.logged_models import deletion
from cloister.workflows.tracking.recording import now_ms, record
from cloister.workflows.tracking.traces import deletions, holders_of
from cloister.workflows.tracking.visit import Visit

_DAY_MS = 24 * 3600 * 1000
_TOGETHER = 20  # of one transaction: others log meanwhile


STAYS = (
    "the ledger keeps for ever that they were: ids, names, parameters, tags and points as they"
    " were logged, with pseudonyms where ids of patients stood",
    "of each file it keeps the path, the size and the name of the sealed object; of a traced"
    " call what was sealed of it, which the key below opens",
    "the key that sealed their files is that of their experiment, or of their fenced run, and"
    " opens other things too: backups made before hold the files, until they are dropped",
)
"""What no purge takes away, for whoever asks for one."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What is gone, or would be."""

    runs: tuple[TrackedRun, ...]
    files: int = 0
    """Sealed with them, those of their models and traced calls included."""
    size_bytes: int = 0


def plan(visit: Visit, names: Sequence[str] = (), days: int = 0) -> Purged:
    """What would be purged: these runs, or all that were deleted that many days ago or before.

    Raises NotFound; BadInput for a run that is not deleted.
    """
    visit.act(Action.LIST)
    before_ms = now_ms(visit.lab) - days * _DAY_MS

    def query(tx: Transaction) -> Purged:
        if names:
            return _counted(tx, [_deleted(visit, tx, name) for name in names])
        found = runs.deleted(tx, before_ms)
        return _counted(tx, [one for one in found if seen.sees(visit, one)])

    return visit.lab.read(query)


def purge(visit: Visit, planned: Purged) -> Purged:
    """Removes them and their files; one that was restored meanwhile stays.

    What is gone cannot be restored here; what stays all the same, `STAYS` says.
    """
    act = visit.act(Action.ADMINISTER)
    gone: list[TrackedRun] = []
    files = size_bytes = 0

    for start in range(0, len(planned.runs), _TOGETHER):
        some = [one.run for one in planned.runs[start : start + _TOGETHER]]

        def change(tx: Transaction, some: Sequence[str] = some) -> tuple[list[Event], Purged]:
            still = [one for one in runs.of_ids(tx, some) if one.stage == DELETED]
            counted = _counted(tx, still)
            let_go = [event for one in still for event in _files(act, tx, one.run)]
            bodies = [{"tracked": one.run} for one in still]
            return [*let_go, *act.events("tracked.purged", bodies)], counted

        done = record(act, change)
        gone += done.runs
        files, size_bytes = files + done.files, size_bytes + done.size_bytes
    return Purged(tuple(gone), files, size_bytes)


def collect(visit: Visit) -> int:
    """Deletes the sealed bytes of what was purged from the disk; gives how many.

    Those of a blob that holds something else as well, or that is younger than a day, stay
    until the next time.
    """
    visit.act(Action.ADMINISTER)
    return visit.lab.store.collect().size_bytes


def _counted(tx: Transaction, found: Sequence[TrackedRun]) -> Purged:
    held = [
        one.size_bytes
        for run in found
        for holder in (
            run.run,
            *(one.model for one in logged_models.of_run(tx, run.run)),
            *(holder for one in traces.of_run(tx, run.run) for holder in holders_of(one.trace)),
        )
        for one in artifacts.below(tx, holder)
    ]
    return Purged(tuple(found), len(held), sum(held))


def _files(act: Act, tx: Transaction, run: str) -> Iterator[Event]:
    """Its artifacts, its traces and the models that it made, are let go of."""
    yield from removals(act, tx, run)
    yield from deletions(act, tx, traces.of_run(tx, run))
    for one in logged_models.of_run(tx, run):
        yield from deletion(act, tx, one.model)


def _deleted(visit: Visit, tx: Transaction, name: str) -> TrackedRun:
    found = seen.run(visit, tx, name)
    if found.stage != DELETED:
        raise BadInput(
            f"run {name} is not deleted", hint="delete it first: MLflow's client, delete_run"
        )
    return found

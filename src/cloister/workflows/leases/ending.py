"""The end of a job: what it was lent is free from the moment its run is over."""

from __future__ import annotations

from collections.abc import Iterator

from cloister.core.events import Event, Transaction
from cloister.core.ids import RunId
from cloister.jobs import history
from cloister.workflows.lab import Act


def endings(
    act: Act, tx: Transaction, run: RunId, outcome: str, exit_status: int | None
) -> Iterator[Event]:
    """The end of the job that ``run`` was, if it was one and has none; to go with its own."""
    job = history.find(tx, run)
    if job is not None and job.state != history.ENDED:
        body = {"exit_status": exit_status, "outcome": outcome, "run": run}
        yield act.event("job.ended", body)


def end(act: Act, run: RunId, outcome: str, exit_status: int | None = None) -> bool:
    """Puts on record that a job that has no run is over; False if it was already."""

    def write(tx: Transaction) -> bool:
        found = [*endings(act, tx, run, outcome, exit_status)]
        act.lab.ledger.append(tx, found)
        return bool(found)

    return act.lab.database.write(write)

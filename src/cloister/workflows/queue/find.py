"""Find: one job of the queue, by its run."""

from __future__ import annotations

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.jobs import history
from cloister.jobs.history import Job
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.lab import Lab


def find(lab: Lab, name: str) -> Job:
    """The job whose run begins with ``name``, or the ``last`` that was asked for.

    Of those that the actor sees; raises NotFound.
    """
    lab.act(Action.LIST)

    def query(tx: Transaction) -> list[Job]:
        found = history.newest(tx) if name == "last" else history.beginning(tx, name)
        return [one for one in found if _seen.sees(lab, tx, one.run)]

    rows = lab.read(query)
    if name == "last" and not rows:
        raise NotFound("there is no job yet", hint="see `cloister run --help`")
    if len(rows) != 1:
        what = "no job" if not rows else "more than one job"
        raise NotFound(f"{what} begins with {name}", hint="see `cloister queue`")
    return rows[0]

"""Ending: what a job began to track and did not end is over when the job is."""

from __future__ import annotations

from collections.abc import Iterator

from cloister.core.events import Event, Transaction
from cloister.core.ids import RunId
from cloister.jobs import history as jobs
from cloister.tracking import runs as tables
from cloister.tracking.experiments import ACTIVE
from cloister.workflows.lab import Act
from cloister.workflows.tracking import uploads
from cloister.workflows.tracking.recording import now_ms
from cloister.workflows.tracking.runs import updated

STATUSES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
"""What a fenced run's end is called in MLflow."""
_OPEN = frozenset({"RUNNING", "SCHEDULED"})


def endings(act: Act, tx: Transaction, run: RunId, state: str) -> Iterator[Event]:
    """The ends of what the job of ``run`` left open or half sent, to go with its own."""
    yield from uploads.left(act, tx, run)
    job = jobs.find(tx, run)
    if state == "failed" and job is not None and job.stopping is not None:
        state = "interrupted"  # somebody asked it to stop: it did not fail
    for one in tables.of_fenced(tx, run):
        if one.stage == ACTIVE and one.status in _OPEN:
            yield from updated(act, one.run, status=STATUSES[state], ended_ms=now_ms(act.lab))

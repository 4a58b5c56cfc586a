"""Stop: a job and all that it started, politely, then not."""

from __future__ import annotations

import signal

from cloister.core.errors import NotAllowed
from cloister.core.events import Transaction
from cloister.jobs import history
from cloister.jobs.history import Job
from cloister.policy import Action
from cloister.workflows.lab import Lab
from cloister.workflows.leases.ending import end
from cloister.workflows.leases.holding import holder, orphaned
from cloister.workflows.queue.find import find


def stop(lab: Lab, name: str, number: int = signal.SIGTERM) -> Job:
    """Asks the job to stop; on record when this returns. One that waits is taken back.

    The job gets SIGTERM, and SIGKILL for every process that it started if it is not over in
    ten seconds, or is asked a second time. Raises NotFound, and NotAllowed for another
    person's job where the actor does not administer the lab.
    """
    act = lab.act(Action.RUN)
    job = find(lab, name)
    if job.person != lab.actor.person and not lab.may(Action.ADMINISTER):
        raise NotAllowed("that is another person's job", hint="an admin can stop it")
    if job.state == history.ENDED:
        return job
    if job.stopping is None:
        act.record([act.event("job.stopping", {"run": job.run})])
    if job.state == history.QUEUED:
        with orphaned(lab, job.run) as alone:
            if alone and lab.read(lambda tx: _still_waits(tx, job)):
                end(act, job.run, "cancelled")
                return _now(lab, job)
    process = holder(lab, job.run)
    if process is not None:
        process.signal(number)
    return _now(lab, job)


def _now(lab: Lab, job: Job) -> Job:
    return lab.read(lambda tx: history.find(tx, job.run)) or job


def _still_waits(tx: Transaction, job: Job) -> bool:
    now = history.find(tx, job.run)
    return now is not None and now.state == history.QUEUED

"""A job of the queue, seen from a terminal: what it says, and its end."""

from __future__ import annotations

import json
from typing import Any

from cloister.cli.job_output import passed_on
from cloister.cli.output import Output
from cloister.core.errors import CloisterError
from cloister.core.ids import RunId
from cloister.jobs import history
from cloister.jobs.history import Job
from cloister.runs.live import Frame, Kind
from cloister.workflows.lab import Lab
from cloister.workflows.queue.follow import follow

_INTERRUPTED = 130


def show(output: Output, lab: Lab, run: RunId) -> int:
    """All that the job says, as it says it; then what is said of it. Its exit status."""
    write, status = passed_on(output), 1
    for said in follow(lab, run):
        if isinstance(said, Job):
            status = _state(output, said)
        elif said.kind in {Kind.OUT, Kind.ERR}:
            write(said.kind, said.content)
        else:
            _tell(output, said)
    return status


def _state(output: Output, job: Job) -> int:
    if job.state == history.QUEUED:
        output.note(f"{job.run} waits for its turn: see `cloister queue`")
    if job.state != history.ENDED:
        return 1
    if job.outcome in {"cancelled", "interrupted"}:
        output.note(f"{job.run} was {job.outcome}")
        return _INTERRUPTED
    return 1 if job.exit_status is None else job.exit_status


def _tell(output: Output, said: Frame) -> None:
    told = json.loads(said.content)
    if said.kind is Kind.REFUSED:
        raise _refused(told)
    for line in told["notes"]:
        output.note(line)
    output.value(told["value"])


def _refused(told: dict[str, Any]) -> CloisterError:
    """What the job's own process said why it could not be run."""
    error = CloisterError(told["message"], hint=told["hint"])
    error.code, error.exit_status = told["code"], told["exit_status"]
    return error

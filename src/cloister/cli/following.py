"""A job of the queue, seen from a terminal: what it says, Ctrl-C, its end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

from cloister.cli.job_output import passed_on
from cloister.cli.output import Output
from cloister.cli.root import Context
from cloister.core.errors import CloisterError
from cloister.core.ids import RunId
from cloister.jobs import history
from cloister.jobs.history import Job
from cloister.runs.live import Frame, Kind
from cloister.workflows.lab import Lab
from cloister.workflows.queue.follow import follow
from cloister.workflows.queue.service import wake
from cloister.workflows.queue.stop import stop
from cloister.workflows.queue.submit import submit
from cloister.workflows.runs.go_on import GoOnRequest
from cloister.workflows.runs.run import RunRequest

_INTERRUPTED = 130
AtTerminal = RunRequest | GoOnRequest
"""What somebody asks for who sits at one."""


def submit_and_follow(context: Context, lab: Lab, wanted: AtTerminal, *, detach: bool) -> int:
    """Asks for the run, then shows it to its end; gives its exit status, 0 when detached."""
    run = submit(lab, without_terminal(wanted), context.project)
    up = wake(lab)
    if detach:
        if not up:
            context.output.note("nobody is up who would start it: it waits for `cloister up`")
        context.output.line(f"{run}  waits for its turn: cloister logs -f {run}")
        context.output.value({"run": run, "state": history.QUEUED})
        return 0
    with _stops(lab, run):
        return show(context.output, lab, run)


def without_terminal(wanted: AtTerminal) -> AtTerminal:
    """As a job of the queue, which has no terminal: Python is told to print as it goes."""
    told = {"PYTHONUNBUFFERED": "1"} if wanted.terminal else {}
    environment = {**told, **wanted.environment}
    if isinstance(wanted, RunRequest):
        return replace(wanted, terminal=False, stdin=None, environment=environment)
    return replace(wanted, terminal=False, stdin=None, environment=environment)


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


@contextmanager
def _stops(lab: Lab, run: RunId) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop the job; its end is then shown as any other."""

    def asked(number: int, _: FrameType | None) -> None:
        stop(lab, run, number)

    before = [
        (number, signal.signal(number, asked)) for number in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)

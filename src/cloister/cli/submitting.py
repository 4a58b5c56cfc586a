"""A job asked for at a terminal: into the queue, then shown to its end; Ctrl-C stops it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from cloister.cli.following import show
from cloister.cli.root import Context
from cloister.core.ids import RunId
from cloister.jobs import history
from cloister.workflows.lab import Lab
from cloister.workflows.queue.service import wake
from cloister.workflows.queue.stop import stop
from cloister.workflows.queue.submit import submit
from cloister.workflows.runs.go_on import GoOnRequest
from cloister.workflows.runs.run import RunRequest

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

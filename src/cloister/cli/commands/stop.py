"""``cloister stop``: a job, and all that it started."""

from __future__ import annotations

import signal
import time

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.jobs import history
from cloister.workflows.queue.dispatch import set_right
from cloister.workflows.queue.find import find
from cloister.workflows.queue.overview import lines
from cloister.workflows.queue.stop import stop

_PATIENCE_S = 30.0
_LOOKS_S = 0.05
_ASKED = (signal.SIGTERM, signal.SIGINT)
"""Asked twice, a job is killed; of one kind, two could reach a busy process as one."""


@click.command("stop")
@click.argument("run")
@click.option("--now", is_flag=True, help="Do not let it end by itself: SIGKILL.")
@with_context
def command(context: Context, /, run: str, now: bool) -> None:
    """Stop RUN: SIGTERM, ten seconds later SIGKILL for every process that it started.

    What it has written until then is sealed. One that waits is taken from the queue.

    \b
    Examples:
      cloister stop run_xyz
      cloister stop last --now
    """
    with open_lab(context) as lab:
        job = find(lab, run)
        if job.state == history.ENDED:
            context.output.line(f"{job.run} had ended: {job.outcome}")
        else:
            for number in _ASKED[: 1 + now]:
                job = stop(lab, job.run, number)
            until_s = time.monotonic() + _PATIENCE_S
            while job.state != history.ENDED and time.monotonic() < until_s:
                time.sleep(_LOOKS_S)
                set_right(lab)
                job = find(lab, job.run)
            (line,) = lines(lab, [(job, None)])
            context.output.line(f"{job.run}: {line.outcome}")
        context.output.value({"run": job.run, "state": job.state, "outcome": job.outcome})

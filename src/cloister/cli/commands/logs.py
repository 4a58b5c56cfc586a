"""``cloister logs``: what a run said, or says."""

from __future__ import annotations

import click

from cloister.cli.following import show
from cloister.cli.job_output import passed_on
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.errors import NotFound
from cloister.jobs import history
from cloister.runs.live import Kind
from cloister.workflows.get import get_output
from cloister.workflows.queue.find import find
from cloister.workflows.queue.follow import may_follow, peek


@click.command("logs")
@click.argument("run")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until it has ended.")
@with_context
def command(context: Context, /, run: str, following: bool) -> int:
    """Show what RUN has said so far; its standard error goes to standard error.

    \b
    Examples:
      cloister logs last
      cloister logs -f run_xyz
    """
    with open_lab(context) as lab:
        try:
            job = find(lab, run)
        except NotFound:
            job = None  # it was begun before there was a queue
        if job is not None:
            may_follow(lab, job).read()
            frames, known = peek(lab, job.run, 0)
            if job.state != history.ENDED and following:
                return show(context.output, lab, job.run)
            if known:
                write = passed_on(context.output)
                for frame in frames:
                    if frame.kind in {Kind.OUT, Kind.ERR}:
                        write(frame.kind, frame.content)
                return 0
            if job.state == history.QUEUED:
                context.output.note(f"{job.run} waits for its turn")
            if job.state != history.ENDED:
                return 0  # it has said nothing, and may be no run yet
            run = job.run
        with get_output(lab, run, "log") as content:
            for chunk in content.chunks:
                passed_on(context.output)(1, chunk)
    return 0

"""``cloister run``: a command on sealed data, in the fence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from cloister.cli.fence_options import Fencing, fence_options, fenced_request
from cloister.cli.job_output import passed_on, show_run
from cloister.cli.root import Context, with_context
from cloister.cli.session import note_without_backup, open_lab
from cloister.core.errors import BadInput
from cloister.workflows.runs.go_on import GoOnRequest, go_on
from cloister.workflows.runs.run import Checkpoints, run


@click.command("run", context_settings={"allow_interspersed_args": False})
@fence_options
@click.option(
    "--checkpoint",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Seal files like this one while the job runs; repeat for more.",
)
@click.option(
    "--every",
    type=click.FloatRange(min=1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look for checkpoints.",
)
@click.option("--resume", metavar="RUN", help="Go on with RUN from its last checkpoints.")
@click.argument("argv", nargs=-1, metavar="-- COMMAND...")
@with_context
def command(
    context: Context,
    /,
    argv: tuple[str, ...],
    patterns: tuple[str, ...],
    every: float,
    resume: str | None,
    **options: Any,
) -> int:
    """Run COMMAND unmodified: data read-only where they were added from, no way out.

    Arguments that name an added folder bring its newest version; --data chooses another.
    What the command writes to the working folder is captured, sealed and on record; the
    folder itself stays as it was. The exit status is the command's own.

    \b
    Examples:
      cloister run -- python train.py --data ./scans
      cloister run --data data1@2 --seed 7 -- python train.py --data ./scans
      cloister run --checkpoint 'state*.pt' -- python train.py --data ./scans
      cloister run --resume last
    """
    if bool(argv) == bool(resume):
        raise BadInput(
            "a run has a command, or goes on with another run's: give one of the two",
            hint="cloister run -- python train.py; or: cloister run --resume RUN",
        )
    request = fenced_request(argv, Fencing(**options))
    watched = Checkpoints(patterns, every) if patterns else None
    with open_lab(context) as lab:
        show = passed_on(context.output)
        if resume is None:
            report = run(lab, replace(request, checkpoints=watched), show)
        else:
            again = GoOnRequest(
                run=resume,
                environment=request.environment,
                required=request.required,
                terminal=request.terminal,
                stdin=request.stdin,
                checkpoints=watched,
            )
            report = go_on(lab, again, show)
        note_without_backup(context, lab)
    show_run(context.output, report)
    return report.fence.exit_status

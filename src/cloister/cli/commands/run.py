"""``cloister run``: a command on sealed data, in the fence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from cloister.cli.fence_options import Fencing, fence_options, fenced_request
from cloister.cli.job_output import passed_on, show_run
from cloister.cli.root import Context, with_context
from cloister.cli.session import note_without_backup, open_lab
from cloister.cli.submitting import submit_and_follow, without_terminal
from cloister.core.errors import BadInput
from cloister.workflows.lab import Lab
from cloister.workflows.queue.service import wake
from cloister.workflows.runs.go_on import GoOnRequest, go_on
from cloister.workflows.runs.run import Checkpoints, RunReport, RunRequest, run


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
@click.option(
    "--on",
    metavar="MACHINE",
    help="Run it on another machine: ssh:user@host or ray:head:port.",
)
@click.option("--resume", metavar="RUN", help="Go on with RUN from its last checkpoints.")
@click.option("--here", is_flag=True, help="Run it in this terminal, even if `up` runs.")
@click.option("--detach", is_flag=True, help="Leave it to `up`; say its name and come back.")
@click.argument("argv", nargs=-1, metavar="-- COMMAND...")
@with_context
def command(
    context: Context,
    /,
    argv: tuple[str, ...],
    patterns: tuple[str, ...],
    every: float,
    resume: str | None,
    on: str | None,
    here: bool,
    detach: bool,
    **options: Any,
) -> int:
    """Run COMMAND unmodified: data read-only where they were added from, no way out.

    Arguments that name an added folder bring its newest version; --data chooses another.
    What the command writes to the working folder is captured, sealed and on record; the
    folder itself stays as it was. The exit status is the command's own.

    While `cloister up` runs, it starts the command when its turn has come, and this shows
    what it says: Ctrl-C stops it, a closed terminal does not. See `cloister queue`.

    \b
    Examples:
      cloister run -- python train.py --data ./scans
      cloister run --data data1@2 --seed 7 -- python train.py --data ./scans
      cloister run --checkpoint 'state*.pt' -- python train.py --data ./scans
      cloister run --resume last
      cloister run --resume last --on ssh:ward@gpu1 --gpus 1
      cloister run --detach --gpus 1 -- python train.py --data ./scans
      cloister run --on ssh:ward@gpu1 --gpus 1 -- python train.py --data ./scans
    """
    if bool(argv) == bool(resume):
        raise BadInput(
            "a run has a command, or goes on with another run's: give one of the two",
            hint="cloister run -- python train.py; or: cloister run --resume RUN",
        )
    wanted = _wanted(argv, resume, Checkpoints(patterns, every) if patterns else None, options)
    if on is not None:
        wanted = _elsewhere(wanted, on)
    with open_lab(context) as lab:
        if not here and (detach or wake(lab)):
            status = submit_and_follow(context, lab, wanted, detach=detach)
            note_without_backup(context, lab)
            return status
        report = _run_here(context, lab, wanted)
        note_without_backup(context, lab)
    show_run(context.output, report)
    return report.fence.exit_status


def _wanted(
    argv: tuple[str, ...],
    resume: str | None,
    watched: Checkpoints | None,
    options: dict[str, Any],
) -> RunRequest | GoOnRequest:
    request = fenced_request(argv, Fencing(**options))
    if resume is None:
        return replace(request, checkpoints=watched)
    return GoOnRequest(
        run=resume,
        environment=request.environment,
        required=request.required,
        terminal=request.terminal,
        stdin=request.stdin,
        checkpoints=watched,
        cpus=request.cpus,
        gpus=request.gpus,
    )


def _elsewhere(wanted: RunRequest | GoOnRequest, on: str) -> RunRequest | GoOnRequest:
    away = without_terminal(wanted)
    if isinstance(away, RunRequest):
        return replace(away, on=on)
    return replace(away, on=on)


def _run_here(context: Context, lab: Lab, wanted: RunRequest | GoOnRequest) -> RunReport:
    show, said = passed_on(context.output), context.output.note
    if isinstance(wanted, RunRequest):
        return run(lab, wanted, show, said)
    return go_on(lab, wanted, show, said)

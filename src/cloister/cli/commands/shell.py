"""``cloister shell``: look around among the data, in the fence."""

from __future__ import annotations

from typing import Any

import click

from cloister.app import config as configuration
from cloister.cli.fence_options import Fencing, fence_options, fenced_request
from cloister.cli.job_output import passed_on, show_run
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.workflows.runs.run import run


@click.command("shell")
@click.argument("datasets", nargs=-1, metavar="[DATASET[@VERSION]]...")
@fence_options
@with_context
def command(context: Context, /, datasets: tuple[str, ...], **options: Any) -> int:
    """Open an interactive shell in the fence, with the data of DATASETs (or --data).

    It is a run like any other: on record, nothing leaves, what it changes is captured.

    \b
    Example:
      cloister shell data1
    """
    fencing = Fencing(**options | {"data": (*options["data"], *datasets)})
    shell = configuration.surroundings().environment.get("SHELL", "/bin/sh")
    request = fenced_request((shell,), fencing)
    context.output.note("in the fence: no network, data read-only; exit ends the run")
    with open_lab(context) as lab:
        report = run(lab, request, passed_on(context.output), context.output.note)
    show_run(context.output, report)
    return report.fence.exit_status

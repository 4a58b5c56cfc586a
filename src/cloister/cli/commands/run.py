"""``cloister run``: a command on sealed data, in the fence."""

from __future__ import annotations

from typing import Any

import click

from cloister.cli.fence_options import Fencing, fence_options, fenced_request
from cloister.cli.job_output import passed_on, show_run
from cloister.cli.root import Context, with_context
from cloister.cli.session import note_without_backup, open_lab
from cloister.workflows.run import run


@click.command("run", context_settings={"allow_interspersed_args": False})
@fence_options
@click.argument("argv", nargs=-1, required=True, metavar="-- COMMAND...")
@with_context
def command(context: Context, /, argv: tuple[str, ...], **options: Any) -> int:
    """Run COMMAND unmodified: data read-only where they were added from, no way out.

    Arguments that name an added folder bring its newest version; --data chooses another.
    What the command writes to the working folder is captured, sealed and on record; the
    folder itself stays as it was. The exit status is the command's own.

    \b
    Examples:
      cloister run -- python train.py --data ./scans
      cloister run --data data1@2 --seed 7 -- python train.py --data ./scans
    """
    request = fenced_request(argv, Fencing(**options))
    with open_lab(context) as lab:
        report = run(lab, request, passed_on(context.output))
        note_without_backup(context, lab)
    show_run(context.output, report)
    return report.fence.exit_status

"""``cloister retract``: a wrong add, taken back."""

from __future__ import annotations

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.workflows.data.retract import retract


@click.command("retract")
@click.argument("version", metavar="DATASET[@VERSION]")
@with_context
def command(context: Context, version: str) -> None:
    """Take the newest version of a dataset back, as if it had never been.

    Only within the grace period (24 hours; `retract_within_hours` in cloister.toml) and
    before a run, a `get` or a tag used it. The sealed bytes stay, in no version.

    \b
    Example:
      cloister retract data1
    """
    with open_lab(context) as lab:
        done = retract(lab, version)
    output = context.output
    newest = str(done.current) if done.current else "no version"
    output.line(f"{done.version} is retracted; {done.version.dataset} has {newest}")
    output.line("  What it added stays sealed in the store, in no version.")
    output.value(
        {
            "dataset": done.version.dataset,
            "retracted": done.version.number,
            "version": done.current.number if done.current else None,
        }
    )

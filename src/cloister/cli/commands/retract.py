"""``cloister retract``: a wrong add, taken back."""

from __future__ import annotations

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.words import count
from cloister.workflows.data.retract import retract, retract_unfinished


@click.command("retract")
@click.argument("version", metavar="DATASET[@VERSION]")
@click.option("--unfinished", is_flag=True, help="What an interrupted add of DATASET sealed.")
@with_context
def command(context: Context, version: str, unfinished: bool) -> None:
    """Take the newest version of a dataset back, as if it had never been.

    Only within the grace period (24 hours; `retract_within_hours` in cloister.toml) and
    before a run, a `get` or a tag used it. The sealed bytes stay, in no version.

    \b
    Examples:
      cloister retract data1
      cloister retract data1 --unfinished
    """
    if unfinished:
        _unfinished(context, version)
        return
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


def _unfinished(context: Context, dataset: str) -> None:
    with open_lab(context) as lab:
        taken = retract_unfinished(lab, dataset)
    output = context.output
    output.line(f"the interrupted add of {dataset} is taken back: {count(taken, 'record')}")
    output.line("  What it sealed stays in the store, in no version.")
    output.value({"dataset": dataset, "records": taken})

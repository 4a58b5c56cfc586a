"""``cloister why``: what made a task run, or not."""

from __future__ import annotations

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.workflows.pipelines.look import why


@click.command("why")
@click.argument("task", metavar="STEP")
@click.option("--flow", default="last", metavar="FLOW", help="Which run. [default: the last]")
@with_context
def command(context: Context, /, task: str, flow: str) -> None:
    """Say why a step of a pipeline ran: what changed since it ran before.

    \b
    Examples:
      cloister why train
      cloister why train --flow nightly
      cloister why "clean[2]"
    """
    with open_lab(context) as lab:
        found = why(lab, task, flow)
    output = context.output
    output.line(f"{found.step}: {found.verdict}")
    for change in found.changes:
        output.line(f"  {change}")
    output.pairs([("run", found.run), ("before", found.before)])
    output.value(
        {
            "before": found.before,
            "changes": list(found.changes),
            "run": found.run,
            "step": found.step,
            "verdict": found.verdict,
        }
    )

"""``cloister diff``: two runs side by side."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.values import FenceLevel
from cloister.runs.links import Verdict
from cloister.workflows.runs.difference import RunDifference, difference

_LEVELS = [level.value for level in FenceLevel if level is not FenceLevel.NONE]
_SHOWN = 20


@click.command("diff")
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-6,
    show_default=True,
    help="Outputs are EQUIVALENT within this times max(1, |a|, |b|).",
)
@click.option(
    "--fence",
    default=FenceLevel.FULL.value,
    show_default=True,
    type=click.Choice(_LEVELS),
    help="The least fence to accept, for reading outputs.",
)
@with_context
def command(context: Context, first: str, second: str, tolerance: float, fence: str) -> None:
    """Compare two runs: data, command, code, libraries, settings, fence, metrics, outputs.

    Nothing is run again; `reproduce` finds out which of it made the difference.

    \b
    Example:
      cloister diff run_abcdefghijklmnop last
    """
    with open_lab(context) as lab:
        found = difference(lab, first, second, tolerance, FenceLevel(fence))
    _show(context.output, found)
    context.output.value(_value(found))


def _show(output: Output, found: RunDifference) -> None:
    output.line(f"{found.first} and {found.second}: outputs {found.outputs.verdict.value}")
    parts = {
        "data": found.data,
        "command": found.command,
        "library": found.libraries,
        "setting": found.settings,
        "fence": found.fence,
        "metric": found.metrics,
    }
    rows = [
        (kind, one.name, one.first, one.second)
        for kind, several in parts.items()
        for one in several[:_SHOWN]
    ]
    rows += [
        ("code", change.path, change.before or change.kind, change.after or "-")
        for change in found.code[:_SHOWN]
    ]
    rows += [
        ("output", pair.path, pair.verdict.lower(), pair.where or f"{pair.largest:.3g} apart")
        for pair in found.outputs.pairs[:_SHOWN]
        if pair.verdict is not Verdict.IDENTICAL
    ]
    if rows:
        output.table(("what", "name", "first", "second"), rows)
    else:
        output.line("  nothing differs")


def _value(found: RunDifference) -> dict[str, Any]:
    value = asdict(found)
    value["outputs"] = {
        "verdict": found.outputs.verdict.value,
        "files": [asdict(pair) for pair in found.outputs.pairs],
    }
    return value

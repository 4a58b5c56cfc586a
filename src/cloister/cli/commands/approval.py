"""``cloister approval``: what a second person has to agree to."""

from __future__ import annotations

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.words import count
from cloister.workflows.people import approvals, ruling


@click.group("approval")
def command() -> None:
    """The two-person rule: what waits for a second person, and what they say.

    What needs two persons, `cloister approval rule` says.
    """


@command.command("ls")
@click.option("--all", "everything", is_flag=True, help="What is over, too.")
@with_context
def ls(context: Context, everything: bool) -> None:
    """List the requests that wait, and the consents that hold."""
    with open_lab(context) as lab:
        lines = approvals.list_approvals(lab, everything=everything)
    rows = [
        (
            line.approval.approval,
            line.approval.action,
            line.asker,
            line.state,
            line.decider,
            line.approval.expires[:16] + "Z",
            "; ".join(f"{key}: {_said(what)}" for key, what in line.approval.what.items()),
        )
        for line in lines
    ]
    header = ("request", "action", "by", "state", "decided by", "until", "what")
    context.output.listed(header, rows, "nothing waits")


@command.command("approve")
@click.argument("request")
@with_context
def approve(context: Context, request: str) -> None:
    """Agree to REQUEST: whoever made it can then do exactly that, once."""
    _decide(context, request, give=True)


@command.command("refuse")
@click.argument("request")
@with_context
def refuse(context: Context, request: str) -> None:
    """Refuse REQUEST."""
    _decide(context, request, give=False)


@command.command("rule")
@click.option("--require", multiple=True, metavar="ACTION", help="From now on by two: repeat.")
@click.option("--waive", multiple=True, metavar="ACTION", help="From now on by one: repeat.")
@click.option("--within-hours", type=click.IntRange(1, 720), help="How long a request holds.")
@with_context
def rule(
    context: Context, require: tuple[str, ...], waive: tuple[str, ...], within_hours: int | None
) -> None:
    """Show what needs two persons, or change it: erase, classify (lower a data class).

    One admin makes the rule stricter. To loosen it a second person has to agree, as they do
    to what it is for. The rule is the ledger's: cloister.toml only gave it a first value.

    \b
    Examples:
      cloister approval rule
      cloister approval rule --require erase --require classify
    """
    with open_lab(context) as lab:
        if require or waive or within_hours is not None:
            holds = ruling.change(lab, require, waive, within_hours)
        else:
            holds = ruling.show(lab)
    named = ", ".join(sorted(holds.actions)) or "nothing"
    hours = count(holds.within_h, "hour")
    context.output.line(f"by two persons: {named}; a request holds {hours}")
    context.output.value({"actions": sorted(holds.actions), "within_hours": holds.within_h})


def _decide(context: Context, request: str, *, give: bool) -> None:
    with open_lab(context) as lab:
        done = approvals.decide_approval(lab, request, give=give)
    context.output.line(f"{done.approval} is {done.state}")
    context.output.value({"request": done.approval, "state": done.state})


def _said(what: object) -> str:
    return ", ".join(map(str, what)) if isinstance(what, list) else str(what)

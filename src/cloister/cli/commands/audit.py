"""``cloister audit``: the ledger, and every row against it."""

from __future__ import annotations

import click

from cloister.app import config as configuration
from cloister.app.auditing import accept, audit_lab, require_whole
from cloister.cli.root import Context, with_context
from cloister.cli.session import configured
from cloister.core.words import count
from cloister.ledger import HeadStatus


@click.command("audit")
@click.option("--log-only", is_flag=True, help="Check the ledger, not the rows of the tables.")
@click.option(
    "--accept-restored",
    is_flag=True,
    help="First accept that the lab was restored from a backup, and what that lost.",
)
@with_context
def command(context: Context, log_only: bool, accept_restored: bool) -> None:
    """Replay the ledger and compare every row with it; needs no keys.

    A lab that was restored to less than you had seen is refused until you accept it here.

    \b
    Exit status: 0 all is as signed, 6 something is not.
    """
    output = context.output
    uid = configuration.surroundings().uid
    if accept_restored:
        _accept(context, uid)
    with output.progress() as progress:
        audited = audit_lab(configured(context), uid, progress, rows=not log_only)
    report = audited.report
    seen = audited.status is HeadStatus.EXTENDS
    output.line("whole" if not report.findings else "NOT WHOLE")
    output.pairs(
        [
            ("entries", f"{report.events:,}"),
            ("rows", f"{report.rows:,}" if not log_only else "not checked"),
            ("head", f"size {audited.head.size:,}, root {audited.head.root.hex()}"),
            ("before", "extends what this user saw" if seen else "UNVERIFIED: first contact"),
            ("took", f"{report.seconds:.2f} s"),
        ]
    )
    for finding in report.findings:
        output.line(f"  {finding.message}")
    for warning in report.warnings:
        output.line(f"  note: {warning}")
    if report.found > len(report.findings):
        output.line(f"  and {count(report.found - len(report.findings), 'more', 'more')}")
    output.value(
        {
            "whole": not report.findings,
            "entries": report.events,
            "rows": report.rows,
            "size": audited.head.size,
            "root": audited.head.root.hex(),
            "head": audited.status.value,
            "findings": [finding.message for finding in report.findings],
            "warnings": [str(warning) for warning in report.warnings],
            "count": report.found,
            "seconds": report.seconds,
        }
    )
    require_whole(audited)


def _accept(context: Context, uid: int) -> None:
    before, now, entry = accept(configured(context), uid)
    context.output.line(
        f"accepted: restored on {entry.time[:19]}Z by {entry.actor} from {entry.size:,}"
        f" entries; you had seen {before.size:,}, there are {now.size:,} now"
    )

"""``cloister check``: is the data sound?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cloister.checks import KINDS, Finding, Severity, worst
from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.files import write_new
from cloister.core.words import count
from cloister.workflows.data.check import (
    Checked,
    CheckRequest,
    Reading,
    check,
    handed_out,
    only_dataset,
)
from cloister.workflows.data.kept_check import kept_report
from cloister.workflows.lab import Lab

FOUND = 8
"""The exit status when something as grave as --fail-on was found."""


@click.command("check")
@click.argument("version", metavar="[DATASET[@VERSION]]", required=False)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note"]),
    help=f"Exit with {FOUND} when something as grave was found.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the page with pictures and plots to FILE, in plain, mode 0600.",
)
@click.option(
    "--ocr",
    type=click.Choice([reading.value for reading in Reading]),
    default=Reading.SAMPLE.value,
    show_default=True,
    help="In how many images to look for burned-in text, where tesseract is installed.",
)
@click.option(
    "--kept", is_flag=True, help="Show the last check of the version, as sealed then."
)
@with_context
def command(
    context: Context,
    version: str | None,
    fail_on: str | None,
    report: Path | None,
    ocr: str,
    kept: bool,
) -> None:
    """Look for what is wrong with a dataset version: damage, duplicates, leaks between
    parts, contradicting labels, implausible values, ids and text where they should not be.

    What is found becomes part of the version's record; the list and a page with pictures
    are kept sealed. Without an argument the only dataset is meant, at its newest version.

    \b
    Examples:
      cloister check
      cloister check data1@2 --fail-on error
      cloister check data1 --ocr all --report findings.html
    """
    output = context.output
    with open_lab(context) as lab:
        reference = version or only_dataset(lab)
        if kept:
            gravest = _kept(output, lab, reference, report)
        else:
            with output.progress() as progress:
                done = check(lab, CheckRequest(reference, Reading(ocr)), progress)
            if report:
                handed_out(lab, done)
                write_new(report, iter((done.report,)))
            show(output, done)
            output.value(value(done))
            gravest = worst(done.findings)
    if fail_on and gravest is not None and gravest >= Severity.of(fail_on):
        raise click.exceptions.Exit(FOUND)


def _kept(output: Output, lab: Lab, reference: str, report: Path | None) -> Severity | None:
    """Shows the last check, as it is on record; gives the gravest severity in it."""
    found, page = kept_report(lab, reference)
    if report:
        write_new(report, iter((page,)))
    output.line(f"{found.dataset}@{found.number} was checked {found.time}")
    for one in found.findings:
        title = KINDS[one.code].title if one.code in KINDS else ""
        output.line(f"  {one.severity:<7}  {one.code}  {one.count:>7,}  {title}")
    rows = [
        {"code": one.code, "severity": one.severity, "count": one.count}
        for one in found.findings
    ]
    output.value(
        {"version": f"{found.dataset}@{found.number}", "time": found.time, "findings": rows}
    )
    return max((Severity.of(one.severity) for one in found.findings), default=None)


def show(output: Output, done: Checked) -> None:
    """What was found, gravest first."""
    output.line(f"{done.version}: {_summary(done.findings)}")
    for one in done.findings:
        where = f"  [{one.where}]" if one.where else ""
        output.line(
            f"  {one.severity.word:<7}  {one.code}  {one.count:>7,}  {one.kind.title}{where}"
        )
        if one.detail:
            output.line(f"                          {one.detail}")
        output.line(f"                          {one.kind.advice}")
    output.pairs(
        [
            ("looked into", f"{count(done.looked, 'record')} for the first time"),
            ("erased", f"{count(done.erased, 'record')} left out" if done.erased else None),
            ("kept", f"sealed list and page, ledger entry {done.place}"),
        ]
    )


def value(done: Checked) -> dict[str, object]:
    """The same for programs; records by their random ids."""
    return {
        "version": str(done.version),
        "root": done.version.root,
        "records": done.records,
        "looked": done.looked,
        "erased": done.erased,
        "text_read": done.text_read,
        "ledger_entry": done.place,
        "findings": [
            {
                "code": one.code,
                "severity": one.severity.word,
                "count": one.count,
                "title": one.kind.title,
                "where": one.where,
                "detail": one.detail,
                "advice": one.kind.advice,
                "records": list(one.records),
            }
            for one in done.findings
        ],
    }


def _summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "nothing was found"
    counts = [
        (sum(one.severity is severity for one in findings), severity.word)
        for severity in sorted(Severity, reverse=True)
    ]
    return ", ".join(count(number, word) for number, word in counts if number)

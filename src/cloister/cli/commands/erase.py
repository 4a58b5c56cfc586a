"""``cloister erase``: one patient's keys, destroyed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cloister.cli.commands.trace import show_trace, trace_value
from cloister.cli.output import Output, is_terminal
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.cli.subject_argument import spoken, subject_argument
from cloister.core.errors import BadInput
from cloister.core.words import count
from cloister.workflows.patients.certificate import prove_erasure
from cloister.workflows.patients.erase import Erasure, erase, plan, remainders
from cloister.workflows.patients.whose import patient


@click.command("erase")
@subject_argument
@click.option("--dry-run", is_flag=True, help="Only show what would be touched.")
@click.option("--reason", metavar="TEXT", help="Why; kept for ever, so it names nobody.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Also write the certificate's bundle to FOLDER: cloister_verify.py checks it.",
)
@with_context
def command(
    context: Context,
    subject: str,
    issuer: str,
    dry_run: bool,
    reason: str | None,
    yes: bool,
    certificate: Path | None,
) -> None:
    """Destroy one patient's keys: nobody can read their data again, in any copy of the lab.

    This cannot be undone. SUBJECT is a pseudonym (sub_...), an id, or - to read the id
    from standard input.

    \b
    Examples:
      echo P0017 | cloister erase - --dry-run
      echo P0017 | cloister erase - --reason "consent withdrawn" --yes
    """
    output = context.output
    with open_lab(context) as lab:
        who = patient(lab, spoken(subject), issuer)
        touched = plan(lab, who)
        if dry_run:
            output.line("would erase, for ever:")
            show_trace(output, touched)
            output.line("would remain:")
            for item in remainders(touched):
                output.line(f"  {item.what}\n    {item.why}")
            output.value(trace_value(touched))
            return
        if reason is None:
            raise BadInput("an erasure needs its reason", hint='--reason "consent withdrawn"')
        if not yes:
            _ask(output, len(touched.records))
        done = erase(lab, who, reason)
        _show(output, done)
        if certificate:
            prove_erasure(lab, done.operation, certificate)


def _ask(output: Output, records: int) -> None:
    if output.as_json or not is_terminal(sys.stdin):
        raise BadInput("nobody to ask", hint="say --yes to erase without a question")
    click.confirm(
        f"Destroy the keys of {count(records, 'record')} for ever?", abort=True, err=True
    )


def _show(output: Output, done: Erasure) -> None:
    certified = done.certificate.certificate
    keys = certified.keys
    output.line(f"erased {done.trace.patient.asked}")
    output.pairs(
        [
            (
                "unreadable",
                f"{count(certified.inventory.records, 'record')},"
                f" {count(certified.inventory.labels, 'label')}",
            ),
            ("flagged", f"{count(len(certified.models), 'model')} as tainted"),
            (
                "keys",
                f"level {keys.level}, epoch {keys.epoch_before} to {keys.epoch_after},"
                f" {count(keys.survivors, 'other owner')} kept",
            ),
            *(
                (probe.what, f"{probe.opened} of {probe.tried} open")
                for probe in certified.probes
            ),
            ("ledger", f"entry {done.place}"),
            ("proof", f"cloister prove {done.operation} -o FOLDER"),
            ("certificate", done.certificate.sha256),
        ]
    )
    output.line("remains:")
    for item in certified.remains:
        output.line(f"  {item.what}\n    {item.why}")
    output.value(
        {
            "operation": done.operation,
            "subject": done.trace.patient.asked,
            "records": certified.inventory.records,
            "models": [model.sha256 for model in certified.models],
            "level": keys.level,
            "epoch": keys.epoch_after,
            "survivors": keys.survivors,
            "ledger_entry": done.place,
            "certificate_sha256": done.certificate.sha256,
            "remains": [item.what for item in certified.remains],
        }
    )

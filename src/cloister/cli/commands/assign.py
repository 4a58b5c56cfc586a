"""``cloister assign``: whose the quarantined records are."""

from __future__ import annotations

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.cli.subject_argument import spoken
from cloister.core.errors import BadInput
from cloister.core.words import count
from cloister.workflows.data.assign import Chosen, assign


@click.command("assign")
@click.argument("dataset")
@click.option(
    "--record", "records", multiple=True, metavar="RECORD", help="A record; repeat for more."
)
@click.option("--where-path", metavar="REGEX", help="All whose path the pattern is found in.")
@click.option(
    "--subject", required=True, help="A pseudonym, an id, or - to read the id from stdin."
)
@click.option("--issuer", default="local", show_default=True, help="Who gave the id.")
@with_context
def command(
    context: Context,
    dataset: str,
    records: tuple[str, ...],
    where_path: str | None,
    subject: str,
    issuer: str,
) -> None:
    """Give records of DATASET that were set aside as nobody's their patient.

    The next version shows them. Bytes and names stay. It cannot be taken back: the patient's
    key opens them from then on, and erasing the patient erases them.

    \b
    Examples:
      cloister ls data1 --quarantine
      echo P0017 | cloister assign data1 --where-path '^inbox/17_' --subject -
    """
    if bool(records) == bool(where_path):
        raise BadInput("name records with --record, or all of a pattern with --where-path")
    with open_lab(context) as lab:
        done = assign(lab, dataset, Chosen(records, where_path), spoken(subject), issuer)
    output = context.output
    output.line(f"{done.version} is new: {count(done.records, 'record')} of {done.subject}")
    output.pairs([("root", done.version.root)])
    output.value(
        {
            "dataset": done.version.dataset,
            "version": done.version.number,
            "subject": done.subject,
            "records": done.records,
            "root": done.version.root,
        }
    )

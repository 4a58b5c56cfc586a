"""``cloister subject``: pseudonyms and links."""

from __future__ import annotations

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.cli.subject_argument import spoken, subject_argument
from cloister.workflows.data import curate
from cloister.workflows.patients.whose import patient


@click.group("subject")
def command() -> None:
    """Pseudonyms, and links between names of one patient."""


@command.command("pseudonym")
@subject_argument
@with_context
def pseudonym(context: Context, subject: str, issuer: str) -> None:
    """Print the pseudonym of a subject; - reads the id from standard input.

    \b
    Example:
      echo P0017 | cloister subject pseudonym -
    """
    with open_lab(context) as lab:
        found = patient(lab, spoken(subject), issuer)
    context.output.line(found.asked)
    context.output.value({"subject": found.asked, "names": list(found.names)})


@command.command("link")
@click.argument("a", metavar="SUBJECT")
@click.argument("b", metavar="SUBJECT")
@with_context
def link(context: Context, a: str, b: str) -> None:
    """Say that two pseudonyms are one patient: splits, trace and erase then agree."""
    with open_lab(context) as lab:
        curate.link(lab, patient(lab, a), patient(lab, b))
    context.output.line(f"{a} and {b} are one patient")
    context.output.value({"linked": [a, b]})


@command.command("unlink")
@click.argument("a", metavar="SUBJECT")
@click.argument("b", metavar="SUBJECT")
@with_context
def unlink(context: Context, a: str, b: str) -> None:
    """Take a link back."""
    with open_lab(context) as lab:
        curate.unlink(lab, patient(lab, a), patient(lab, b))
    context.output.line(f"{a} and {b} are two patients")
    context.output.value({"unlinked": [a, b]})

"""``cloister dataset``: tags, differences, splits, classes."""

from __future__ import annotations

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.errors import BadInput
from cloister.core.words import count
from cloister.datasets.classes import DEFAULT, parse
from cloister.datasets.splits import Split, parse_parts
from cloister.workflows.data import classify as workflow
from cloister.workflows.data import curate


@click.group("dataset")
def command() -> None:
    """Tag, compare, split and classify datasets."""


@command.command("tag")
@click.argument("version", metavar="DATASET[@VERSION]")
@click.argument("tag")
@with_context
def tag(context: Context, version: str, tag: str) -> None:
    """Name a version: DATASET@TAG means it from now on.

    \b
    Example:
      cloister dataset tag data1@3 paper
    """
    with open_lab(context) as lab:
        named = curate.tag(lab, version, tag)
    context.output.line(f"{named.dataset}@{tag} is {named}")
    context.output.value({"dataset": named.dataset, "tag": tag, "version": named.number})


@command.command("diff")
@click.argument("older", metavar="DATASET@OLDER")
@click.argument("newer", metavar="DATASET[@NEWER]")
@with_context
def diff(context: Context, older: str, newer: str) -> None:
    """Show which records were added, removed or relabelled between two versions.

    \b
    Example:
      cloister dataset diff data1@1 data1@2
    """
    with open_lab(context) as lab:
        found = curate.diff(lab, older, newer)
    output = context.output
    output.line(f"{found.older} to {found.newer}")
    changes = {
        "added": found.added,
        "removed": found.removed,
        "relabelled": found.relabelled,
    }
    for what, records in changes.items():
        output.line(f"  {what:<10}  {count(len(records), 'record')}")
        for record in records[:20]:
            output.line(f"    {record}")
        if len(records) > 20:
            output.line(f"    ... and {len(records) - 20:,} more: --json")
    output.value({what: list(records) for what, records in changes.items()})


@command.command("split")
@click.argument("dataset", metavar="DATASET[@VERSION]")
@click.argument("name")
@click.option("--parts", default="train=0.8,test=0.2", show_default=True, help="Shares.")
@click.option("--seed", default=0, show_default=True, help="Deals the patients out.")
@with_context
def split(context: Context, dataset: str, name: str, parts: str, seed: int) -> None:
    """Define a split by patient: nobody is in two parts, and new patients move no old ones.

    \b
    Example:
      cloister dataset split data1 fold --parts train=0.8,test=0.2
      cloister run --data data1:fold:train -- python train.py --data ./scans
    """
    with open_lab(context) as lab:
        sizes = curate.define_split(lab, dataset, Split(name, seed, parse_parts(parts)))
    context.output.pairs((part, count(number, "patient")) for part, number in sizes.items())
    context.output.value(dict(sizes))


@command.command("classify")
@click.argument("dataset")
@click.argument("data_class", metavar="CLASS", required=False)
@click.option("--reason", metavar="TEXT", help="Why; kept for ever, so it names nobody.")
@with_context
def classify(
    context: Context, dataset: str, data_class: str | None, reason: str | None
) -> None:
    """Say how near DATASET is to patients' names; without CLASS, what was said so far.

    CLASS is public, internal (about nobody, and not for outside), pseudonymous (the key lies
    elsewhere) or identifiable, as every dataset is until somebody says otherwise. Runs and
    models are of the highest class of their data. To lower it takes an admin.

    \b
    Examples:
      cloister dataset classify data1
      cloister dataset classify data1 pseudonymous --reason "ids replaced by the trust centre"
    """
    if data_class is not None:
        if reason is None:
            raise BadInput("another class needs its reason", hint='--reason "..."')
        wanted = parse(data_class)
        with open_lab(context) as lab:
            done = workflow.classify(lab, dataset, wanted, reason)
        context.output.line(f"{done.dataset} is {done.now}; it was {done.before}")
        context.output.value({"dataset": dataset, "class": done.now, "was": done.before})
        return
    with open_lab(context) as lab:
        said = workflow.said_of(lab, dataset)
    rows = [(one.place, one.data_class, one.why) for one in said]
    empty = f"{dataset} is {DEFAULT}: nobody said otherwise"
    context.output.listed(("entry", "class", "why"), rows, empty)

"""``cloister tracked``: runs as scripts logged them."""

from __future__ import annotations

import click

from cloister.cli.output import size
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.words import count
from cloister.tracking.runs import TrackedRun
from cloister.workflows.tracking import experiments, purge, runs
from cloister.workflows.tracking.visit import Visit


@click.group("tracked")
def command() -> None:
    """Runs that scripts tracked: listed, and purged once they are deleted."""


@command.command("ls")
@click.argument("experiment", required=False)
@click.option("--filter", "where", metavar="FILTER", default="", help="As MLflow writes it.")
@click.option("--deleted", is_flag=True, help="Those that are deleted.")
@click.option("--limit", type=click.IntRange(1, 50_000), default=50, show_default=True)
@with_context
def ls(context: Context, experiment: str | None, where: str, deleted: bool, limit: int) -> None:
    """List tracked runs, the newest first: of all experiments, or of one, by its name.

    \b
    Examples:
      cloister tracked ls
      cloister tracked ls "ward 3" --filter "metrics.auc > 0.8 and params.lr = '0.1'"
    """
    view = "DELETED_ONLY" if deleted else "ACTIVE_ONLY"
    with open_lab(context) as lab:
        visit = Visit(lab)
        if experiment is None:
            homes = experiments.search(visit, "ALL", 50_000).found
        else:
            homes = [experiments.named(visit, experiment)]
        names = {one.experiment.number: one.experiment.name for one in homes}
        found = runs.search(visit, [*map(str, names)][:5000], where, view, limit).found
    rows = [
        (one.run.run, names[one.run.experiment], one.run.name, one.run.status, _fenced(one.run))
        for one in found
    ]
    context.output.table(("run", "experiment", "name", "status", "fence"), rows)
    context.output.value(
        [
            {
                "experiment": names[one.run.experiment],
                "metrics": {latest.metric: repr(latest.value) for latest in one.metrics},
                "name": one.run.name,
                "params": dict(one.params),
                "run": one.run.run,
                "fenced": one.run.fenced,
                "status": one.run.status,
            }
            for one in found
        ]
    )


@command.command("purge")
@click.argument("names", nargs=-1, metavar="[RUN]...")
@click.option("--days", type=click.IntRange(0), default=30, show_default=True,
              help="How long ago they were deleted, where no RUN is named.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would go, and change nothing.")
@with_context
def purge_command(context: Context, names: tuple[str, ...], days: int, dry_run: bool) -> None:
    """Remove deleted runs for good: points, parameters, tags, all of it.

    Deleting a run, as MLflow's client does, hides it until it is restored. A purged run
    cannot be restored. The ledger keeps that it was there, and what was logged in clear; the
    command says what stays. Sealed files go from the disk a day after they were written.

    \b
    Examples:
      cloister tracked purge --days 90 --dry-run
      cloister tracked purge 0123456789abcdef0123456789abcdef
    """
    with open_lab(context) as lab:
        visit = Visit(lab)
        planned = purge.plan(visit, names, days)
        done = planned if dry_run else purge.purge(visit, planned)
        freed = purge.collect(visit) if done.runs and not dry_run else 0
    for one in done.runs:
        context.output.line(f"{one.run}  {one.name}")
    said = "would be purged" if dry_run else "purged"
    held = f" with {count(done.files, 'file')}, {size(done.size_bytes)}" if done.files else ""
    context.output.line(f"{count(len(done.runs), 'run')}{held} {said}")
    if freed:
        context.output.line(f"{size(freed)} of sealed bytes deleted from the disk")
    if done.runs:
        context.output.line("stays:")
        for line in purge.STAYS:
            context.output.line(f"  {line}")
    context.output.value(
        {
            "dry_run": dry_run,
            "runs": [one.run for one in done.runs],
            "files": done.files,
            "bytes": done.size_bytes,
            "freed_bytes": freed,
            "stays": list(purge.STAYS) if done.runs else [],
        }
    )


def _fenced(run: TrackedRun) -> str:
    return run.fenced or "none"

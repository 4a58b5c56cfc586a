"""``cloister pipeline schedule`` and its kin: pipelines that start by themselves."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from cloister.app import config as configuration
from cloister.cli import flows
from cloister.cli.job_output import passed_on
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.cli.tended import Tended
from cloister.core.errors import CloisterError
from cloister.workflows.pipelines import schedule as schedules
from cloister.workflows.pipelines.run import FlowReport

_LOOK_S = 10.0


class Until(click.DateTime):
    """A moment; of a day that is named alone, its last second."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Fails as click's own type does."""
        found: datetime = super().convert(value, param, ctx)
        day = isinstance(value, str) and len(value.strip()) == len("2026-01-31")
        return found + timedelta(days=1, seconds=-1) if day else found


@click.command("schedule")
@flows.target
@flows.chosen
@flows.workdir
@flows.python
@with_context
def schedule_command(
    context: Context, /, target: str, chosen: tuple[str, ...], workdir: Path, python: str
) -> None:
    """Let a pipeline start by itself, as its `on=` says, while `up` or `pipeline tend` runs.

    \b
    Example:
      cloister pipeline schedule nightly.py
    """
    asked = flows.asked(target, chosen, workdir, python)
    with open_lab(context) as lab, flows.shown(context.output) as tell:
        found = schedules.schedule(lab, asked, tell)
    on = ", ".join(map(str, found.triggers))
    context.output.line(f"{found.pipeline} starts by itself: {on}")
    context.output.line("  while one of these runs: cloister up, cloister pipeline tend")
    context.output.value(
        {"on": [str(one) for one in found.triggers], "pipeline": found.pipeline}
    )


@click.command("unschedule")
@click.argument("pipeline", metavar="PIPELINE")
@with_context
def unschedule_command(context: Context, /, pipeline: str) -> None:
    """Let a pipeline start no more by itself.

    \b
    Example:
      cloister pipeline unschedule nightly
    """
    with open_lab(context) as lab:
        schedules.unschedule(lab, pipeline)
    context.output.line(f"{pipeline} starts no more by itself")


@click.command("pause")
@click.argument("pipeline", metavar="PIPELINE")
@with_context
def pause_command(context: Context, /, pipeline: str) -> None:
    """Hold a pipeline that starts by itself, until `unpause`.

    What becomes due meanwhile is treated as if nobody had been up: `misfire=` says how.

    \b
    Example:
      cloister pipeline pause nightly
    """
    with open_lab(context) as lab:
        found = schedules.pause(lab, pipeline)
    context.output.line(f"{found.pipeline} is paused: cloister pipeline unpause {pipeline}")
    context.output.value({"paused": found.paused, "pipeline": found.pipeline})


@click.command("unpause")
@click.argument("pipeline", metavar="PIPELINE")
@with_context
def unpause_command(context: Context, /, pipeline: str) -> None:
    """Let a pipeline that was paused start by itself again.

    \b
    Example:
      cloister pipeline unpause nightly
    """
    with open_lab(context) as lab:
        found = schedules.unpause(lab, pipeline)
    context.output.line(f"{found.pipeline} starts by itself again")
    context.output.value({"paused": found.paused, "pipeline": found.pipeline})


@click.command("now")
@click.argument("pipeline", metavar="PIPELINE")
@with_context
def now_command(context: Context, /, pipeline: str) -> int:
    """Run a scheduled pipeline now, as its schedule does; that stays as it is.

    \b
    Example:
      cloister pipeline now nightly
    """
    around = configuration.surroundings().environment
    with open_lab(context) as lab, flows.shown(context.output) as tell:
        report = schedules.run_now(lab, pipeline, around, tell, passed_on(context.output))
    return flows.said(context.output, report)


@click.command("schedules")
@with_context
def schedules_command(context: Context, /) -> None:
    """List pipelines that start by themselves, and when they are next due.

    \b
    Example:
      cloister pipeline schedules
    """
    with open_lab(context) as lab:
        found = schedules.schedules(lab)
    rows = [
        (
            one.schedule.pipeline,
            ", ".join(map(str, one.schedule.triggers)),
            one.schedule.misfire,
            f"{one.times[0][0]:%Y-%m-%dT%H:%M:%SZ}" if one.times else None,
            one.schedule.paused,
        )
        for one in found
    ]
    header = ("pipeline", "on", "misfire", "next", "paused")
    context.output.listed(header, rows, "none: cloister pipeline schedule FILE")


@click.command("tend")
@click.option("--once", is_flag=True, help="Run what is due, and end.")
@click.option("--only", metavar="PIPELINE", help="Run what this one is due for, and end.")
@with_context
def tend_command(context: Context, /, once: bool, only: str | None) -> None:
    """Start pipelines at their times, and when what they wait for is new, until Ctrl-C.

    Each is made by a process of its own, so that none waits for another. Ctrl-C ends them too.

    \b
    Examples:
      cloister pipeline tend
      cloister pipeline tend --once
    """
    if only is not None:
        _run_due(context, only)
        return
    tended = Tended(context)
    looked: schedules.Looked = {}
    try:
        while True:
            with open_lab(context) as lab:
                due = schedules.due(lab, looked)
            tended.begin(due)
            if once:
                break
            time.sleep(_LOOK_S)
        context.output.value(tended.wait())
    except BaseException:
        tended.interrupt()
        raise


def _run_due(context: Context, pipeline: str) -> None:
    """For all that it is due for; that it could not begin is said, and tried again later."""
    output = context.output
    reports: list[FlowReport] = []
    with open_lab(context) as lab, flows.shown(output) as tell:
        around = configuration.surroundings().environment
        try:
            reports = schedules.begin_due(lab, pipeline, around, tell, passed_on(output))
        except CloisterError as error:
            output.note(f"{pipeline} could not begin: {error.message}")
    for one in reports:
        output.line(f"{one.flow} {one.pipeline} {one.state}")
    output.value([{"flow": o.flow, "pipeline": o.pipeline, "state": o.state} for o in reports])


@click.command("backfill")
@click.argument("pipeline", metavar="PIPELINE")
@click.option(
    "--from",
    "first",
    type=click.DateTime(),
    metavar="DATE[TIME]",
    required=True,
    help="In UTC; a day from its beginning.",
)
@click.option(
    "--to",
    "last",
    type=Until(),
    metavar="DATE[TIME]",
    required=True,
    help="In UTC; a day to its end.",
)
@with_context
def backfill_command(
    context: Context, /, pipeline: str, first: datetime, last: datetime
) -> int:
    """Run a scheduled pipeline for each of its times in a span, the earlier first.

    Its parameter `due`, if it has one, is the time. What was computed before is used again.

    \b
    Example:
      cloister pipeline backfill nightly --from 2026-01-01 --to 2026-01-31
    """
    span = (first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))
    found = []
    with open_lab(context) as lab, flows.shown(context.output) as tell:
        around = configuration.surroundings().environment
        out = passed_on(context.output)
        for one in schedules.backfill(lab, pipeline, span, around, tell, out):
            context.output.line(f"{one.flow} {one.pipeline} {one.state}, for {one.due}")
            found.append(one)
    context.output.value([{"due": o.due, "flow": o.flow, "state": o.state} for o in found])
    return 1 if any(one.failures for one in found) else 0


COMMANDS = (
    schedule_command,
    unschedule_command,
    pause_command,
    unpause_command,
    now_command,
    schedules_command,
    tend_command,
    backfill_command,
)

"""``cloister pipeline``: run pipelines, go on with them, see what they did."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import click

from cloister.app import config as configuration
from cloister.cli import flows
from cloister.cli.asking import ended_by_asker
from cloister.cli.commands import pipeline_schedule
from cloister.cli.job_output import passed_on
from cloister.cli.root import Context, with_context
from cloister.cli.session import note_without_backup, open_lab
from cloister.core.values import FenceLevel
from cloister.pipelines.progress import State
from cloister.workflows.pipelines import look
from cloister.workflows.pipelines.run import resume_flow, run_flow
from cloister.workflows.pipelines.step import make_step
from cloister.workflows.pipelines.stop import stop_flow

_LEVELS = [level.value for level in FenceLevel if level is not FenceLevel.NONE]
_FAILED = 1
_ALIVE = {"running", "waiting"}
_PATIENCE_S, _LOOKS_S = 10.0, 0.1


@click.group("pipeline")
def command() -> None:
    """Pipelines: tasks in order, each in the fence, each a run on record."""


for _one in pipeline_schedule.COMMANDS:
    command.add_command(_one)


@command.command("run")
@flows.target
@flows.chosen
@click.option(
    "--jobs", type=click.IntRange(1, 1024), help="Calls at a time. [default: one a processor]"
)
@click.option("--anew", is_flag=True, help="Use no earlier result again.")
@click.option(
    "--from",
    "since",
    multiple=True,
    metavar="STEP",
    help="Make this step again, and whatever comes of it; repeat.",
)
@click.option(
    "--fence",
    "level",
    default=FenceLevel.FULL.value,
    show_default=True,
    type=click.Choice(_LEVELS),
    help="The least fence to accept.",
)
@click.option(
    "--on",
    multiple=True,
    metavar="ADDRESS",
    help="Where calls are made: ssh:[user@]host[:port][/python], ray:host:port or local; "
    "repeat. [default: local]",
)
@flows.workdir
@flows.python
@with_context
def run_command(
    context: Context,
    /,
    target: str,
    chosen: tuple[str, ...],
    jobs: int | None,
    anew: bool,
    since: tuple[str, ...],
    level: str,
    on: tuple[str, ...],
    workdir: Path,
    python: str,
) -> int:
    """Run the pipeline that FILE defines: `a >> b >> [c, d]`.

    The file is read in the fence. A task that takes a dataset gets a fence of its own, with
    that data and no other. What was computed before from the same code, arguments, data and
    environment is used again. Exit status 1 when a task failed for good.

    \b
    Examples:
      cloister pipeline run flow.py
      cloister pipeline run flow.py:nightly -p epochs=5 --jobs 4
      cloister pipeline run flow.py --from train
      cloister pipeline run flow.py --on ssh:ward@gpu1 --on ssh:gpu2/opt/cloister/bin/python
    """
    asked = replace(
        flows.asked(target, chosen, workdir, python),
        slots=jobs or 0,
        anew=anew,
        since=since,
        on=on,
        required=FenceLevel(level),
    )
    with open_lab(context) as lab, flows.shown(context.output) as tell:
        report = run_flow(lab, asked, tell, passed_on(context.output))
        note_without_backup(context, lab)
    return flows.said(context.output, report)


@command.command("step")
@flows.target
@click.argument("step")
@flows.chosen
@click.option("--shape", metavar="DIGEST", help="Refuse a file that defines other steps.")
@click.option(
    "--while-asked", is_flag=True, help="Stop when standard input ends: who asked is gone."
)
@flows.workdir
@flows.python
@with_context
def step_command(
    context: Context,
    /,
    target: str,
    step: str,
    chosen: tuple[str, ...],
    shape: str | None,
    while_asked: bool,
    workdir: Path,
    python: str,
) -> int:
    """Make one step of a pipeline, for a scheduler that is not Cloister's.

    What it needs and nobody made yet is made too. STEP is a step's name, or one item of a
    mapped one: `clean[3]`. Each call is tried once; what the tasks print stays sealed in their
    logs. One that a condition leaves out is no failure. SIGTERM stops it and all it started.

    \b
    Example:
      cloister pipeline step flow.py train
    """
    asked = replace(
        flows.asked(target, chosen, workdir, python),
        step=step,
        shape=shape,
        slots=1,
        reason=f"step {step}",
    )
    with ended_by_asker(watched=while_asked), open_lab(context) as lab:
        report = make_step(lab, asked)
    context.output.line(f"{step} {report.state}")
    failures = [
        {"next": run and f"cloister get {run} log", "step": name, "why": why}
        for name, run, why in report.flow.failures
    ]
    for one in failures:
        context.output.line(
            "  " + ": ".join(filter(None, [one["step"], one["why"], one["next"]]))
        )
    context.output.value(
        {
            "failures": failures,
            "flow": report.flow.flow,
            "items": report.items,
            "run": report.run,
            "state": report.state,
            "step": step,
        }
    )
    return 0 if report.state in (State.DONE, State.LEFT_OUT) else _FAILED


@command.command("resume")
@click.argument("flow", default="last", metavar="[FLOW]")
@with_context
def resume_command(context: Context, /, flow: str) -> int:
    """Go on with a run of a pipeline that was interrupted or stopped, or that failed.

    What has ended is not made again; a task that said `idempotent=False` and that nobody saw
    end is not begun again. FLOW is an id, a pipeline's name or `last`.

    \b
    Example:
      cloister pipeline resume
    """
    with open_lab(context) as lab, flows.shown(context.output) as tell:
        around = configuration.surroundings().environment
        report = resume_flow(lab, flow, around, tell, passed_on(context.output))
    return flows.said(context.output, report)


@command.command("stop")
@click.argument("flow", default="last", metavar="[FLOW]")
@with_context
def stop_command(context: Context, /, flow: str) -> None:
    """Stop a run of a pipeline: its tasks end at once, and none is begun.

    What has ended is kept; `resume` goes on from there. FLOW is an id, a pipeline's name or
    `last`.

    \b
    Example:
      cloister pipeline stop
    """
    with open_lab(context) as lab:
        found = stop_flow(lab, flow)
        until_s = time.monotonic() + _PATIENCE_S
        while found.state in _ALIVE and time.monotonic() < until_s:
            time.sleep(_LOOKS_S)
            found = look.find(lab, found.flow)
    state = "is stopping" if found.state in _ALIVE else f"is {found.state}"
    context.output.line(f"{found.flow} {found.pipeline} {state}")
    context.output.value({"flow": found.flow, "state": found.state})


@command.command("ls")
@with_context
def ls_command(context: Context, /) -> None:
    """List runs of pipelines, newest first.

    \b
    Example:
      cloister pipeline ls
    """
    with open_lab(context) as lab:
        found = [(one, look.waits(lab, one)) for one in look.flows(lab)]
    rows = [
        (
            one.flow,
            one.pipeline,
            one.state,
            one.steps,
            _second(one.started),
            one.reason,
            waits and f"since {_second(one.waiting)}: {waits}",
        )
        for one, waits in found
    ]
    header = ("flow", "pipeline", "state", "steps", "started", "reason", "waits")
    context.output.listed(header, rows, "no pipeline has run yet: cloister pipeline run FILE")


@command.command("show")
@click.argument("flow", default="last", metavar="[FLOW]")
@with_context
def show_command(context: Context, /, flow: str) -> None:
    """Show the steps of one run of a pipeline, and the run that each attempt was.

    \b
    Example:
      cloister pipeline show
    """
    with open_lab(context) as lab:
        found = look.show(lab, flow)
    output = context.output
    one = found.flow
    output.line(f"{one.flow} {one.pipeline} {one.state}")
    output.pairs(
        [
            ("started", _second(one.started)),
            ("finished", _second(one.finished)),
            ("waits since", _second(one.waiting)),
            ("until", found.waits),
            (
                "parameters",
                " ".join(f"{p['name']}={p['value']}" for p in found.parameters) or None,
            ),
        ]
    )
    rows = [(row.step, row.state, row.tries, row.took_s, row.run or "-") for row in found.steps]
    header = ("step", "state", "tries", "took_s", "run")
    if rows and not output.as_json:
        output.table(header, rows)
    steps = [dict(zip(header, row, strict=True)) for row in rows]
    said = {"parameters": list(found.parameters), "tasks": steps, "waits": found.waits}
    output.value({**one._asdict(), **said})


def _second(time: str | None) -> str | None:
    return None if time is None else time[:19] + "Z"

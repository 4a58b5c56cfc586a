"""``cloister sweep``: W&B sweep files, searched here, each trial a run in the fence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from cloister.app import config as configuration
from cloister.cli.fence_options import Fencing, fence_options, fenced_request
from cloister.cli.output import Output
from cloister.cli.root import Context, Otherwise, with_context
from cloister.cli.session import note_without_backup, open_lab
from cloister.cli.sweeps import away, number, short, shown, words
from cloister.core.errors import BadInput, NotFound
from cloister.core.ids import RunId
from cloister.core.values import LOCAL
from cloister.core.words import count
from cloister.web.runners import Nursery
from cloister.workflows.lab import Lab
from cloister.workflows.sweeps import look
from cloister.workflows.sweeps.look import SweepView
from cloister.workflows.sweeps.run import (
    Doing,
    SweepReport,
    SweepRequest,
    resume_sweep,
    run_sweep,
)
from cloister.workflows.sweeps.stop import stop_sweep
from cloister.workflows.sweeps.whys import WHYS

_FAILED = 1
_MOST_SHOWN = 40
_NOTE = (
    "bayes is searched by TPE here, which is not W&B's Gaussian process: other trials, the"
    " same aim"
)


class _Sweeps(Otherwise):
    """``cloister sweep FILE`` is ``cloister sweep run FILE``."""

    otherwise = "run"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A misspelt subcommand is not a file."""
        word = args[0] if args else ""
        close = difflib.get_close_matches(word, self.commands, 1)
        if close and word not in self.commands and not Path(word).exists():
            ctx.fail(f"no such file or command: {word!r}; did you mean {close[0]}?")
        return super().parse_args(ctx, args)


_jobs = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="Trials at a time, as far as there is room. [default: one a machine]",
)
_count = click.option(
    "--count",
    "most",
    type=click.IntRange(min=1),
    metavar="N",
    help="Begin so many trials now, and no more.",
)
_on = click.option(
    "--on",
    multiple=True,
    metavar="ADDRESS",
    help="Where trials run: ssh:[user@]host[:port][/python], ray:host:port or local; repeat."
    " [default: local]",
)


@click.group("sweep", cls=_Sweeps)
def command() -> None:
    """Sweeps: search for good parameters, each trial a run in the fence.

    \b
    Examples:
      cloister sweep sweep.yaml
      cloister sweep sweep.yaml --jobs 4 --count 20
      cloister sweep show
    """


@command.command("run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_jobs
@_count
@_on
@click.option(
    "--python",
    default="python",
    show_default=True,
    metavar="PROGRAM",
    help="What ${interpreter} is.",
)
@fence_options
@with_context
def run_command(
    context: Context,
    /,
    file: Path,
    jobs: int | None,
    most: int | None,
    on: tuple[str, ...],
    python: str,
    **options: Any,
) -> int:
    """Search as FILE says, a W&B sweep file, until its cap, target or grid is at an end.

    Trials wait for their turn in the queue, and are started by `up` where it runs. Ctrl-C
    stops them; `sweep resume` goes on. A sweep of random or bayes without run_cap goes on
    until it is stopped. --seed is the search's as well.

    \b
    Examples:
      cloister sweep sweep.yaml
      cloister sweep sweep.yaml --jobs 4 --data scans@2
      cloister sweep sweep.yaml --on ssh:box --on local
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput("the sweep file is no text") from error
    template = replace(fenced_request((), Fencing(**options)), terminal=False, stdin=None)
    output = context.output
    with open_lab(context) as lab, _doing(output, lab, jobs, most, on) as doing:
        request = SweepRequest(
            text=text,
            template=template,
            interpreter=python,
            name=file.resolve().parent.name if file.stem == "sweep" else file.stem,
            seed=options["seed"],
            project=context.project,
        )
        report = run_sweep(lab, request, doing, lambda sweep: _begun(output, lab, sweep))
        note_without_backup(context, lab)
    return _said(output, report)


@command.command("resume")
@click.argument("sweep", default="last", metavar="[SWEEP]")
@_jobs
@_count
@_on
@with_context
def resume_command(
    context: Context,
    /,
    sweep: str,
    jobs: int | None,
    most: int | None,
    on: tuple[str, ...],
) -> int:
    """Go on with a sweep that was interrupted or stopped; no trial that ended runs again.

    Trials run where they ran, unless --on says otherwise for this time.

    \b
    Examples:
      cloister sweep resume
      cloister sweep resume --on local
    """
    with open_lab(context) as lab, _doing(context.output, lab, jobs, most, on) as doing:
        report = resume_sweep(lab, sweep, doing)
    return _said(context.output, report)


@command.command("stop")
@click.argument("sweep", default="last", metavar="[SWEEP]")
@click.option("--now", is_flag=True, help="Stop the trials that run, too.")
@with_context
def stop_command(context: Context, /, sweep: str, now: bool) -> None:
    """Let a sweep begin no more trials; those that run end by themselves, or --now.

    \b
    Examples:
      cloister sweep stop
      cloister sweep stop swp_abcd --now
    """
    with open_lab(context) as lab:
        found = stop_sweep(lab, sweep, now=now)
    state = "is stopping" if found.state == "running" else f"is {found.state}"
    context.output.line(f"{found.sweep} {state}")
    context.output.value({"state": found.state, "sweep": found.sweep})


@command.command("ls")
@with_context
def ls_command(context: Context, /) -> None:
    """List sweeps, newest first.

    \b
    Example:
      cloister sweep ls
    """
    with open_lab(context) as lab:
        found = look.sweeps(lab)
    header = ("sweep", "name", "method", "state", "trials", "metric", "best", "started")
    rows = [
        (
            one.sweep, one.name, one.method, one.state, one.trials, one.metric,
            number(one.best), one.started[:19] + "Z",
        )
        for one in found
    ]  # fmt: skip
    if rows:
        context.output.table(header, rows)
    else:
        context.output.line("no sweep yet: cloister sweep FILE")
    context.output.value([asdict(one) for one in found])


@command.command("show")
@click.argument("sweep", default="last", metavar="[SWEEP]")
@with_context
def show_command(context: Context, /, sweep: str) -> None:
    """Show one sweep: its trials, the best, what makes that again, and what mattered.

    \b
    Example:
      cloister sweep show
    """
    with open_lab(context) as lab:
        found = look.show(lab, sweep)
        mattered = look.importance(lab, found.sweep)
    output = context.output
    why = f": {found.because}" if found.because else ""
    output.line(f"{found.sweep} {found.name} {found.state}{why}")
    metric = f"{found.goal} {found.metric}" if found.metric else None
    output.pairs(
        [
            ("method", f"{found.method}, seed {found.seed}"),
            ("metric", metric),
            *_best(found),
            (
                "mattered",
                ", ".join(f"{n} {share:.0%}" for n, share in mattered.items()) or None,
            ),
        ]
    )
    _trials(output, found)
    told = asdict(found) | {"importance": dict(mattered), "reproduce": found.reproduce}
    output.value(told)


@command.command("best")
@click.argument("sweep", default="last", metavar="[SWEEP]")
@with_context
def best_command(context: Context, /, sweep: str) -> None:
    """Say which trial of a sweep is the best so far, and what makes it again.

    \b
    Examples:
      cloister sweep best
      cloister reproduce "$(cloister sweep best --json | jq -r .run)"
    """
    with open_lab(context) as lab:
        found = look.show(lab, sweep)
    if found.best is None:
        raise NotFound(
            f"no trial of {found.sweep} has ended well with a metric",
            hint=f"see `cloister sweep show {found.sweep}`",
        )
    context.output.pairs(_best(found))
    told = asdict(found.best) | {"metric": found.metric, "reproduce": found.reproduce}
    context.output.value(told)


def _best(found: SweepView) -> list[tuple[str, object]]:
    return [
        ("best", found.best and f"{number(found.best.value)}, trial {found.best.number}"),
        ("with", found.best and words(found.best.values)),
        ("again", found.reproduce),
    ]


def _trials(output: Output, found: SweepView) -> None:
    latest = found.trials[-_MOST_SHOWN:]
    at = ("at",) if found.spread else ()
    header = ("trial", "state", found.metric or "metric", "took_s", *found.names, *at, "run")
    rows = [
        (
            one.number,
            one.state,
            number(one.value),
            None if one.took_s is None else f"{one.took_s:.1f}",
            *(short(one.values[name]) for name in found.names),
            *((one.on or LOCAL,) if found.spread else ()),
            one.run,
        )
        for one in latest
    ]
    if rows:
        output.table(header, rows)
    if len(latest) < len(found.trials):
        output.line(f"the last {len(latest)} of {len(found.trials):,}; all with --json")


@contextmanager
def _doing(
    output: Output, lab: Lab, jobs: int | None, most: int | None, on: tuple[str, ...]
) -> Iterator[Doing]:
    """What starts trials where no service does, and what shows them."""
    nursery = Nursery(lab, lab.runtime / "runners.log")

    def start(run: RunId, lock: int) -> None:
        nursery.start(run, lock)

    try:
        with shown(output) as tell:
            around = configuration.surroundings().environment
            yield Doing(jobs, start, tell, most, on, around, partial(away, output))
    finally:
        nursery.close()


def _begun(output: Output, lab: Lab, sweep: str) -> None:
    found = look.show(lab, sweep)
    without = "every cell" if found.method == "grid" else "no run_cap"
    cap = f"at most {count(found.cap, 'trial')}" if found.cap else without
    output.note(f"{sweep} {found.name}: {found.method}, {cap}")
    if found.method == "bayes":
        output.note(f"  {_NOTE}")
    if found.unused:
        output.note(f"  of the file, these change nothing here: {', '.join(found.unused)}")
    if found.cap is None and found.method != "grid":
        output.note("  it goes on until it is stopped: Ctrl-C, or `cloister sweep stop`")


def _said(output: Output, report: SweepReport) -> int:
    parts = ", ".join(f"{number:,} {state}" for state, number in report.counts.items())
    output.line(f"{report.sweep} {report.state}: {WHYS[report.why]}; {parts or 'no trial'}")
    best = report.best
    if best is not None:
        output.line(f"  best   {report.metric} {number(best.value)}, trial {best.number}")
        output.line(f"  with   {words(best.values)}")
        output.line(f"  again  cloister reproduce {best.run}")
    if report.state == "failed":
        output.note("  next: cloister sweep show; cloister logs RUN")
    elif report.state == "interrupted":
        output.note("  when one is there again: cloister sweep resume; or give another, --on")
    output.value(
        {
            "best": best and asdict(best),
            "experiment": report.experiment,
            "metric": report.metric,
            "parent": report.parent,
            "state": report.state,
            "sweep": report.sweep,
            "trials": dict(report.counts),
            "why": report.why,
        }
    )
    return _FAILED if report.state in {"failed", "interrupted"} else 0

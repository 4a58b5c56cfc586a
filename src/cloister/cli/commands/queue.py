"""``cloister queue``: who has what of the machine, and who waits for what."""

from __future__ import annotations

import time
from typing import Any

import click

from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.words import count
from cloister.jobs import history
from cloister.workflows.leases.wish import machine
from cloister.workflows.queue.overview import JobLine, QueueView, asked, look
from cloister.workflows.queue.service import wake

_EVERY_S = 1.0
_CLEAR = "\x1b[H\x1b[J"


@click.command("queue")
@click.option("--watch", is_flag=True, help="Again every second, until Ctrl-C.")
@click.option(
    "--ended",
    type=click.IntRange(0, 1000),
    default=0,
    metavar="N",
    help="And the last N that ended.",
)
@with_context
def command(context: Context, /, watch: bool, ended: int) -> None:
    """Show what runs and what waits: on what, for what, and why.

    Whoever has had the least of the machine goes first. A job that does not fit yet is passed
    by smaller ones for a while; then what it needs is kept for it.

    \b
    Examples:
      cloister queue
      cloister queue --watch
    """
    with open_lab(context) as lab:
        box = machine()
        while True:
            view = look(lab, box, service=wake(lab), ended=ended)
            if watch and not context.output.as_json:
                click.echo(_CLEAR, nl=False)
            _show(context.output, view)
            if not watch:
                return
            time.sleep(_EVERY_S)


def _show(output: Output, view: QueueView) -> None:
    box, free = view.box, view.free
    gpus = f", {free.gpus} of {len(box.gpus)} gpus" if box.gpus else ", no gpu here"
    output.line(
        f"free: {free.cpus} of {len(box.cpus)} cpus, {free.memory_bytes >> 20:,} of"
        f" {box.memory_bytes >> 20:,} MiB{gpus}"
    )
    if not view.service:
        output.line("`cloister up` is not up: commands wait in their own terminals")
    if view.hidden:
        output.line(f"{count(view.hidden, 'job')} of projects that are not yours")
    if view.jobs:
        header = ("run", "state", "who", "priority", "asks", "since", "why or what")
        output.table(header, [_row(one) for one in view.jobs])
    else:
        output.line("nothing runs, nothing waits")
    output.value(value_of(view))


def _row(line: JobLine) -> tuple[object, ...]:
    job = line.job
    since = job.ended or job.started or job.asked
    what = line.waits or line.command or "(sealed)"
    return (
        job.run,
        line.outcome,
        line.person,
        job.priority,
        asked(job.ask) if line.on is None else f"on {line.on}",
        since[:19] + "Z",
        what,
    )


def value_of(view: QueueView) -> dict[str, Any]:
    """The queue for programs."""
    return {
        "box": {
            "cpus": len(view.box.cpus),
            "memory_bytes": view.box.memory_bytes,
            "gpus": len(view.box.gpus),
        },
        "free": {
            "cpus": view.free.cpus,
            "memory_bytes": view.free.memory_bytes,
            "gpus": view.free.gpus,
        },
        "service": view.service,
        "shares": {who: round(share, 4) for who, share in view.shares.items()},
        "hidden": view.hidden,
        "jobs": [_value(one) for one in view.jobs],
    }


def _value(line: JobLine) -> dict[str, Any]:
    job = line.job
    return {
        "run": job.run,
        "state": line.outcome,
        "person": line.person,
        "priority": job.priority,
        "cpus": job.cpus,
        "memory_bytes": job.memory_bytes,
        "gpus": job.gpus,
        "leased_gpus": list(job.lease.gpus),
        "asked": job.asked,
        "started": job.started,
        "ended": job.ended,
        "exit_status": job.exit_status if job.state == history.ENDED else None,
        "waits": line.waits,
        "on": line.on,
        "command": line.command,
    }

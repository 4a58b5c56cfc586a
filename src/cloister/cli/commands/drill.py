"""``cloister drill``: disasters, rehearsed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cloister.app import config as configuration
from cloister.app.drill import DrillRequest, drill
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab, read_passphrase
from cloister.core.errors import IntegrityError
from cloister.workflows.recovery.rehearsed import SCENARIOS, Rehearsed, passed


@click.command("drill")
@click.argument("target", required=False)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=click.Choice([*SCENARIOS, "all"]),
    help="Which disaster; may be repeated. [default: disk-loss]",
)
@click.option(
    "--keys",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A copy of the keys, for box-loss and lost-key-provider. [default: the second copy]",
)
@click.option(
    "--in",
    "place",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where there is room for a copy of the lab. [default: the temporary folder]",
)
@click.option("--sample", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--schedule", is_flag=True, help="Print lines that rehearse every week, and end.")
@with_context
def command(
    context: Context,
    target: str | None,
    scenarios: tuple[str, ...],
    keys: Path | None,
    place: Path | None,
    sample: int,
    schedule: bool,
) -> None:
    """Rehearse a disaster: restore the newest backup into a clean place, check, measure.

    The lab itself is not touched. What came back is audited, records are decrypted, the
    newest model answers; RPO (what would be lost) and RTO (how long it took) go on record.

    \b
    Exit status: 0 all passed, 6 something did not come back as it should.
    Examples:
      cloister drill
      cloister drill --scenario all --keys /mnt/third/keys
    """
    output = context.output
    if schedule:
        _show_schedule(context)
        return
    chosen = scenarios or ("disk-loss",)
    names = SCENARIOS if "all" in chosen else chosen
    request = DrillRequest(names, target, keys, place, sample)
    done: list[Rehearsed] = []
    with open_lab(context) as lab, output.progress() as progress:
        steps = drill(
            configuration.surroundings(),
            lab,
            request,
            lambda: read_passphrase(None, confirm=False),
            progress,
        )
        done += steps
    _show(context, done)
    if not passed(done):
        failed = next(one for one in done if one.outcome == "failed")
        raise IntegrityError(
            f"the rehearsal of {failed.scenario} failed: {failed.says}",
            hint="what a drill finds is lost in earnest: mend it, then rehearse again",
        )


def _show(context: Context, done: list[Rehearsed]) -> None:
    context.output.table(
        ("scenario", "outcome", "RPO", "RTO", "read", "prediction", ""),
        [
            (
                one.scenario,
                one.outcome,
                seconds(one.rpo_ms),
                seconds(one.rto_ms),
                f"{one.readable}/{one.records}",
                one.prediction,
                one.says,
            )
            for one in done
        ],
    )
    context.output.value(
        [
            {
                "scenario": one.scenario,
                "outcome": one.outcome,
                "says": one.says,
                "rpo_ms": one.rpo_ms,
                "rto_ms": one.rto_ms,
                "fetched_bytes": one.fetched_bytes,
                "records": one.records,
                "readable": one.readable,
                "prediction": one.prediction,
                "save": one.save,
                "size": one.size,
            }
            for one in done
        ]
    )


def seconds(ms: int | None) -> str:
    """``1.5 s``; a dash for what was not measured."""
    return "-" if ms is None else f"{ms / 1000:,.1f} s"


def _show_schedule(context: Context) -> None:
    lab = configuration.locate(configuration.surroundings(), context.lab)
    program = Path(sys.executable).with_name("cloister")
    line = f"30 3 * * 0   {program} --quiet --lab {lab} drill"
    unit = "[Timer]\nOnCalendar=Sun 03:30\nPersistent=true\n[Install]\nWantedBy=timers.target"
    service = f"[Service]\nType=oneshot\nExecStart={program} --quiet --lab {lab} drill"
    context.output.line("# cron (crontab -e):")
    context.output.line(line)
    context.output.line()
    context.output.line("# or systemd: ~/.config/systemd/user/cloister-drill.timer")
    context.output.line(unit)
    context.output.line("# and cloister-drill.service beside it")
    context.output.line(service)
    context.output.value({"cron": line, "timer": unit, "service": service})

"""``cloister reproduce``: a run once more, and a verdict on what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cloister.app import config as configuration
from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.errors import BadInput
from cloister.core.values import FenceLevel
from cloister.core.words import count
from cloister.runs.conditions import LOCKED, PRESENT, Factor
from cloister.runs.links import Verdict
from cloister.runs.locked import LockedEnvironments
from cloister.workflows.pipelines.reproduce import reproduce
from cloister.workflows.runs.reproduce import ReproduceRequest, Reproduction

STATUSES = {
    Verdict.IDENTICAL: 0,
    Verdict.EQUIVALENT: 10,
    Verdict.DIFFERENT: 11,
    Verdict.UNREPRODUCIBLE: 12,
}
_LEVELS = [level.value for level in FenceLevel if level is not FenceLevel.NONE]
_SHOWN = 10


@click.command("reproduce")
@click.argument("run", metavar="RUN")
@click.option("--here", is_flag=True, help="Use the interpreter your shell finds.")
@click.option("--locked", is_flag=True, help="Build the recorded environment anew.")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Build environments from this folder of wheels, not from an index.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-6,
    show_default=True,
    help="EQUIVALENT: |a - b| at most this times max(1, |a|, |b|).",
)
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="FACTOR=VALUE",
    help="Not as recorded: threads=2, instructions=avx2, workers=0, seed=1, data=data1@2.",
)
@click.option(
    "--no-reimpose",
    "present",
    multiple=True,
    type=click.Choice([factor.value for factor in Factor if factor is not Factor.WORKERS]),
    help="As it is here now, not as recorded; code: the working folder; data: the newest.",
)
@click.option("--no-explain", is_flag=True, help="Do not search for the cause.")
@click.option(
    "--replays",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="The most replays to run, those that test causes included.",
)
@click.option(
    "--read",
    "reads",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Show another file or folder, read-only.",
)
@click.option(
    "--fence",
    default=FenceLevel.FULL.value,
    show_default=True,
    type=click.Choice(_LEVELS),
    help="The least fence to accept.",
)
@with_context
def command(context: Context, /, **options: Any) -> int:
    """Run RUN again with everything as recorded, and compare every output.

    IDENTICAL: the same bytes. EQUIVALENT: numbers within the tolerance, all else equal.
    DIFFERENT: not that. UNREPRODUCIBLE: data were erased since. What falls short of IDENTICAL
    is run again with one thing at a time put back, until the cause is found. The exit status
    is 0, 10, 11 or 12, in this order.

    \b
    Examples:
      cloister reproduce last
      cloister reproduce last --no-reimpose threads --tolerance 1e-4
      cloister reproduce last --locked --wheels wheels
    """
    request = _request(options)
    with open_lab(context) as lab:
        found = reproduce(lab, request, lambda text: context.output.note(f"  {text} ..."))
    _show(context.output, found)
    context.output.value(_value(found))
    return STATUSES[found.verdict]


def _request(options: dict[str, Any]) -> ReproduceRequest:
    if options["here"] and options["locked"]:
        raise BadInput("--here and --locked are two different environments")
    around = configuration.surroundings()
    choices = {Factor(name): PRESENT for name in options["present"]}
    if options["here"]:
        choices[Factor.LIBRARIES] = PRESENT
    if options["locked"]:
        choices[Factor.LIBRARIES] = LOCKED
    choices |= dict(_chosen(text) for text in options["values"])
    wheels = options["wheels"]
    return ReproduceRequest(
        run=options["run"],
        environment=around.environment,
        locked=LockedEnvironments(
            cache=around.cache / "environments",
            wheels=wheels.resolve() if wheels else None,
            allowed=options["locked"] or wheels is not None,
        ),
        choices=choices,
        tolerance=options["tolerance"],
        explain=not options["no_explain"],
        most=options["replays"],
        reads=tuple(path.resolve() for path in options["reads"]),
        required=FenceLevel(options["fence"]),
    )


def _chosen(text: str) -> tuple[Factor, str]:
    name, _, value = text.partition("=")
    settable = {
        Factor.THREADS, Factor.INSTRUCTIONS, Factor.WORKERS, Factor.SEED, Factor.DATA,
    }  # fmt: skip
    known = {factor.value: factor for factor in settable}
    if name not in known or not value:
        raise BadInput(f"--set takes FACTOR=VALUE, with one of {', '.join(sorted(known))}")
    return known[name], value


def _show(output: Output, found: Reproduction) -> None:
    output.line(f"{found.verdict.value}  {found.run}")
    if found.verdict is Verdict.UNREPRODUCIBLE:
        output.line(f"  {count(found.erased, 'record')} that it was given were erased since")
        return
    counted = {v: sum(one.verdict is v for one in found.pairs) for v in Verdict}
    shown = ", ".join(f"{number} {v.lower()}" for v, number in counted.items() if number)
    output.pairs(
        [
            ("outputs", shown or "none"),
            ("tolerance", f"{found.tolerance:g}"),
            ("cause", _cause(found)),
            ("replay", f"{found.replay}, exit status {found.exit_status}"),
            ("replays", f"{found.replays}, {found.seconds:.1f} s"),
        ]
    )
    for pair in [one for one in found.pairs if one.verdict is not Verdict.IDENTICAL][:_SHOWN]:
        apart = f"apart by at most {pair.largest:.3g}" if not pair.where else pair.where
        output.line(f"  {pair.verdict.lower():<10}  {pair.path}: {apart}")
    for one in found.differences:
        recorded, replayed = one.recorded[:40], one.replayed[:40]
        output.line(f"  not as recorded: {one.factor.value}: {recorded} -> {replayed}")
        for line in one.detail:
            output.line(f"    {line}")
    for name, before, here in found.machine:
        output.line(f"  another machine: {name}: {before} -> {here}")
    for factor, why in found.cause.untested if found.cause else ():
        output.line(f"  not tested: {factor.value}: {why}")


def _cause(found: Reproduction) -> str | None:
    if found.cause is None:
        return None
    said = {
        "nondeterminism": "nondeterminism: the same settings twice differ",
        "unknown": "not found among what could be tested",
    }
    return said.get(found.cause.name, f"{found.cause.name}, found by putting it back")


def _value(found: Reproduction) -> dict[str, Any]:
    return {
        "run": found.run,
        "verdict": found.verdict.value,
        "cause": found.cause.name if found.cause else None,
        "untested": [
            {"factor": factor.value, "why": why} for factor, why in found.cause.untested
        ]
        if found.cause
        else [],
        "replay": found.replay,
        "exit_status": found.exit_status,
        "tolerance": found.tolerance,
        "replays": found.replays,
        "erased": found.erased,
        "seconds": round(found.seconds, 3),
        "differences": [
            {
                "factor": one.factor.value,
                "recorded": one.recorded,
                "replayed": one.replayed,
                "detail": list(one.detail),
            }
            for one in found.differences
        ],
        "machine": [
            {"what": name, "recorded": before, "here": here}
            for name, before, here in found.machine
        ],
        "outputs": [
            {
                "path": one.path,
                "verdict": one.verdict.value,
                "largest": one.largest,
                "where": one.where,
            }
            for one in found.pairs
        ],
    }

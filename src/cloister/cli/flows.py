"""What commands of pipelines share: which one is meant, and how its run is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cloister.app import config as configuration
from cloister.cli.output import Output
from cloister.core.errors import BadInput
from cloister.core.words import count
from cloister.workflows.pipelines.run import FlowReport, FlowRequest, Moment

_FEW = 200
_OF_WORKERS = ("joined", "away")
_ALWAYS = ("failed", *_OF_WORKERS)

target = click.argument("target", metavar="FILE[:NAME]")
chosen = click.option(
    "-p", "chosen", multiple=True, metavar="NAME=VALUE", help="A parameter; repeat."
)
workdir = click.option(
    "--workdir",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The working folder. [default: this one]",
)
python = click.option(
    "--python",
    default=sys.executable,
    metavar="PROGRAM",
    help="The interpreter of the tasks; it has Cloister installed. [default: this one]",
)


def asked(target: str, chosen: tuple[str, ...], workdir: Path, python: str) -> FlowRequest:
    """The request; raises BadInput for a file that is not there or not in ``workdir``."""
    file, _, name = target.partition(":")
    parameters = {}
    for one in chosen:
        word, equals, value = one.partition("=")
        if not equals:
            raise BadInput(f"-p {one}: expected NAME=VALUE")
        parameters[word] = value
    place = (workdir / file).resolve()
    if workdir.resolve() not in place.parents:
        raise BadInput(
            "the pipeline's file is not in the working folder",
            hint="go to its folder, or name it: --workdir FOLDER",
        )
    if not place.is_file():
        raise BadInput(f"there is no file {file}", hint="cloister pipeline run FILE[:NAME]")
    return FlowRequest(
        file=str(place.relative_to(workdir.resolve())),
        name=name or None,
        chosen=parameters,
        workdir=workdir.resolve(),
        environment=configuration.surroundings().environment,
        python=python,
    )


@contextmanager
def shown(output: Output) -> Iterator[Callable[[Moment], None]]:
    """Each call as it ends, a line; of very many, a bar, and what went wrong."""
    with output.progress() as bar:

        def tell(moment: Moment) -> None:
            if moment.what not in _OF_WORKERS:
                bar("steps", moment.done, moment.of)
            if moment.what in _ALWAYS or (moment.what != "begun" and moment.of <= _FEW):
                detail = f"  {moment.detail}" if moment.detail else ""
                output.note(f"  {moment.what:<7} {moment.name}  {moment.run or ''}{detail}")

        yield tell


def said(output: Output, report: FlowReport) -> int:
    """Shows what a run came to; the exit status for it."""
    parts = [
        f"{count(report.made, 'call')} made",
        f"{report.reused:,} used again",
        f"{report.left_out:,} left out" if report.left_out else "",
        f"{report.blocked:,} blocked" if report.blocked else "",
    ]
    said = ", ".join(part for part in parts if part)
    took = f"{report.took_s:.1f} s"
    output.line(f"{report.flow} {report.pipeline} {report.state}: {said}, {took}")
    for name, run, why in report.failures:
        output.note(f"  failed: {name}: {why}")
        if run:
            output.note(f"    next: cloister get {run} log")
    if report.failures:
        output.note(f"  then: cloister pipeline resume {report.flow}")
    output.value(
        {
            "blocked": report.blocked,
            "failures": [
                {"run": run, "step": name, "why": why} for name, run, why in report.failures
            ],
            "flow": report.flow,
            "left_out": report.left_out,
            "made": report.made,
            "pipeline": report.pipeline,
            "reused": report.reused,
            "state": report.state,
            "steps": report.steps,
            "steps_s": round(report.steps_s, 4),
            "took_s": round(report.took_s, 4),
            "worker": report.worker,
        }
    )
    return 1 if report.failures else 0

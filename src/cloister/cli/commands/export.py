"""``cloister export``: what a run left, as a model that can be served."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cloister.app import config as configuration
from cloister.cli import flows
from cloister.cli.root import Context, Otherwise, with_context
from cloister.cli.session import configured, open_lab
from cloister.core.errors import BadInput, Conflict
from cloister.core.files import write_durably
from cloister.core.values import FenceLevel
from cloister.core.words import count
from cloister.export import Limits
from cloister.pipelines.airflow import HEAD
from cloister.workflows.pipelines.export import export_airflow
from cloister.workflows.runs.export import ExportReport, ExportRequest, export


class _Export(Otherwise):
    """``cloister export RUN`` is ``cloister export model RUN``."""

    otherwise = "model"


@click.group("export", cls=_Export)
def command() -> None:
    """Write what Cloister made or knows for other programs.

    `cloister export RUN` is `cloister export model RUN`.
    """


@command.command("airflow")
@flows.target
@flows.chosen
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The DAG file to write. [default: NAME_dag.py]",
)
@flows.workdir
@flows.python
@with_context
def airflow_command(
    context: Context,
    /,
    target: str,
    chosen: tuple[str, ...],
    file: Path | None,
    workdir: Path,
    python: str,
) -> None:
    """Write a pipeline as a DAG file for Airflow 3.

    Airflow says when; each of its tasks calls Cloister, which makes that step in the fence and
    on record. What Airflow cannot do as it is meant is an error that names the step.

    \b
    Example:
      cloister export airflow flow.py -o ~/airflow/dags/ward.py
    """
    asked = flows.asked(target, chosen, workdir, python)
    place = configured(context).folder
    cloister = (sys.executable, "-m", "cloister")
    with open_lab(context) as lab:
        done = export_airflow(lab, asked, place, cloister)
    file = file or Path(f"{done.name}_dag.py")
    if file.exists() and not file.read_bytes().startswith(HEAD.encode()):
        raise Conflict(
            f"{file} is there, and no DAG that was exported", hint="name another: -o"
        )
    write_durably(file, done.text.encode(), 0o644)
    context.output.line(f"wrote {file}: {done.name}, {count(done.steps, 'step')}")
    for pool, places in done.pools.items():
        context.output.line(f"  its pool: airflow pools set {pool} {places} cloister")
    for asset in done.assets:
        context.output.line(f"  starts when Airflow is told of the asset {asset}")
    context.output.value(
        {
            "assets": list(done.assets),
            "file": str(file),
            "pipeline": done.name,
            "pools": dict(done.pools),
            "steps": done.steps,
        }
    )


@command.command("model")
@click.argument("run")
@click.option("--file", metavar="PATH", help="Which output, if several may be models.")
@click.option(
    "--rows",
    metavar="PATH",
    help="Held-out rows to compare on: an output of RUN, or a file in its data.",
)
@click.option(
    "--module",
    metavar="FILE.py:NAME",
    help="For bare weights: a class or function that makes the module, without arguments.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="[NAME:][TYPE:]SHAPE",
    help="What one row of an input looks like, such as 3,64,64; repeat for more.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-4,
    show_default=True,
    help="Largest difference, relative to the greater of 1 and the value.",
)
@click.option(
    "--agreement",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Share of rows that must get the same label.",
)
@click.option("--python", metavar="PATH", help="The interpreter. [default: the run's own]")
@click.option(
    "--fence",
    default=FenceLevel.FULL.value,
    show_default=True,
    type=click.Choice([FenceLevel.FULL.value, FenceLevel.PARTIAL.value]),
    help="The least fence to accept.",
)
@click.option("--memory", type=click.IntRange(min=1), metavar="MIB", help="Memory limit.")
@click.option(
    "--workdir",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The working folder, where the module lies. [default: this one]",
)
@with_context
def model_command(
    context: Context,
    run: str,
    file: str | None,
    rows: str | None,
    module: str | None,
    inputs: tuple[str, ...],
    tolerance: float,
    agreement: float,
    python: str | None,
    fence: str,
    memory: int | None,
    workdir: Path,
) -> None:
    """Convert what RUN (or last) left to ONNX, in the fence, and compare the two.

    Takes joblib and pickles of scikit-learn, LightGBM and XGBoost and these libraries' own
    files; of PyTorch state dicts, safetensors, TorchScript and whole modules. A pickle is
    read only if all it names is on an allow-list. A model that does not predict what the
    original did is refused with the difference. The result is a run of its own that can be
    served and proven.

    \b
    Examples:
      cloister export last --rows held_out.npy
      cloister export last --module train.py:Net --input 1,28,28
      cloister export last --file out/model.joblib --tolerance 1e-3
    """
    path, maker = _module(module)
    request = ExportRequest(
        run=run,
        workdir=workdir.resolve(),
        environment=configuration.surroundings().environment,
        file=file,
        rows=rows,
        module=path,
        maker=maker,
        inputs=inputs,
        python=python,
        limits=Limits(tolerance, agreement),
        required=FenceLevel(fence),
        memory_bytes=memory << 20 if memory else None,
    )
    context.output.note("converting in the fence ...")
    with open_lab(context) as lab:
        report = export(lab, request, lambda text: context.output.note(f"  {text}"))
    _show(context, report)


def _module(text: str | None) -> tuple[Path | None, str]:
    if text is None:
        return None, ""
    path, colon, name = text.rpartition(":")
    if not colon or not path.endswith(".py") or not name.isidentifier():
        raise BadInput("--module takes FILE.py:NAME, such as train.py:Net")
    return Path(path), name


def _show(context: Context, report: ExportReport) -> None:
    parity, output = report.outcome.parity, context.output
    rows = "held out" if parity.held_out else "made up from what the model takes; see --rows"
    labels = f"{parity.agreed:,} of {parity.compared:,} the same" if parity.compared else None
    output.line(f"{report.run}: {report.file} of {report.origin}, as ONNX")
    output.pairs(
        [
            ("model", f"sha256 {report.sha256}, signed statement"),
            ("by", report.outcome.converter),
            ("rows", f"{parity.rows:,}, {rows}"),
            ("largest", f"difference {parity.max_abs}, relative {parity.max_rel}"),
            ("labels", labels),
            ("fence", report.fence.level.value),
        ]
    )
    if not report.same_environment:
        output.note("  note: the environment is not the one the run had; both are on record")
    output.note(f"  next: cloister serve {report.run}")
    output.value(
        {
            "run": report.run,
            "origin": report.origin,
            "file": report.file,
            "sha256": report.sha256,
            "converter": report.outcome.converter,
            "rows": parity.rows,
            "held_out": parity.held_out,
            "max_abs": parity.max_abs,
            "max_rel": parity.max_rel,
            "tolerance": parity.tolerance,
            "labels_compared": parity.compared,
            "labels_agreed": parity.agreed,
            "fence": report.fence.level.value,
            "same_environment": report.same_environment,
        }
    )

"""``cloister trace``: one patient's data, forward."""

from __future__ import annotations

from typing import Any

import click

from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.cli.subject_argument import spoken, subject_argument
from cloister.core.words import count
from cloister.workflows.patients.trace import Trace, trace
from cloister.workflows.patients.whose import patient


@click.command("trace")
@subject_argument
@with_context
def command(context: Context, subject: str, issuer: str) -> None:
    """Show every record, label, version, run, model and prediction that came of one patient.

    SUBJECT is a pseudonym (sub_...), an id, or - to read the id from standard input, which
    keeps it out of shell history and process lists. Reads no patient data.

    \b
    Example:
      echo P0017 | cloister trace -
    """
    with open_lab(context) as lab:
        found = trace(lab, patient(lab, spoken(subject), issuer))
    show_trace(context.output, found)
    context.output.value(trace_value(found))


def show_trace(output: Output, found: Trace) -> None:
    """The chain, aligned."""
    state = f"erased, at ledger entry {found.erased}" if found.erased is not None else "present"
    output.line(f"{found.patient.asked}  {state}")
    also = [name for name in found.patient.names if name != found.patient.asked]
    models = [model for run in found.runs for model in run.models]
    answers = sum(len(run.predictions) for run in found.runs)
    output.pairs(
        [
            ("also", " ".join(also) or None),
            ("records", len(found.records)),
            ("labels", len(found.labels)),
            ("versions", " ".join(f"{name}@{number}" for name, number in found.versions) or 0),
            ("runs", len(found.runs)),
            ("models", f"{len(models)}, which gave {count(answers, 'answer')}"),
            ("artifacts", sum(len(run.artifacts) for run in found.runs) or None),
            ("asked about", count(len(found.predictions), "prediction")),
            ("checks", len(found.checks)),
            ("readings", len(found.reads)),
            ("named by", _named(found)),
        ]
    )
    for run in found.runs:
        mark = "  TAINTED" if run.tainted else ""
        mark += f"  {run.standing}" if run.standing else ""
        inputs = " ".join(f"{given.dataset}@{given.number}" for given in run.inputs)
        output.line(f"  {run.run.run}  {run.run.state}  on {inputs}{mark}")
        for model in run.models:
            output.line(f"    model {model.sha256}")
        for logged in run.logged:
            output.line(f"    logged model {logged.model}")
        for one in run.registered:
            output.line(f"    registered model {one.number}, version {one.version}")


def _named(found: Trace) -> str | None:
    """Runs that said the patient's id, and where."""
    return " ".join(f"{one.run} ({one.place})" for one in found.named) or None


def trace_value(found: Trace) -> dict[str, Any]:
    """The chain for programs."""
    return {
        "subject": found.patient.asked,
        "names": list(found.patient.names),
        "erased": found.erased,
        "records": [record.record for record in found.records],
        "labels": [label.label for label in found.labels],
        "checks": list(found.checks),
        "versions": [f"{name}@{number}" for name, number in found.versions],
        "runs": [
            {
                "run": run.run.run,
                "state": run.run.state,
                "tainted": run.tainted,
                "data_class": run.data_class,
                "standing": run.standing,
                "models": [model.sha256 for model in run.models],
                "predictions": [answer.place for answer in run.predictions],
                "artifacts": [
                    {"holder": one.holder, "object": one.object} for one in run.artifacts
                ],
                "logged_models": [one.model for one in run.logged],
                "registered": [[one.number, one.version] for one in run.registered],
            }
            for run in found.runs
        ],
        "predictions": [answer.place for answer in found.predictions],
        "named": [{"run": one.run, "place": one.place} for one in found.named],
        "reads": [read.operation for read in found.reads],
    }

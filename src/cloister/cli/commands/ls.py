"""``cloister ls``: what the lab holds."""

from __future__ import annotations

from dataclasses import dataclass

import click

from cloister.cli.output import size
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.workflows import overview
from cloister.workflows.lab import Lab

_SHOWN = 50
_UNFINISHED = (
    "unfinished: what an add has sealed that goes on or was interrupted. Add the folder again,"
    " with the same options, and it is\nfinished; or take it back: cloister retract DATASET"
    " --unfinished"
)


@click.command("ls")
@click.argument("what", required=False, metavar="[DATASET[@VERSION] | RUN]")
@click.option("--runs", "kind", flag_value="runs", help="All runs.")
@click.option("--models", "kind", flag_value="models", help="All models.")
@click.option("--subjects", "kind", flag_value="subjects", help="All subjects, by pseudonym.")
@click.option("--versions", "kind", flag_value="versions", help="The versions of DATASET.")
@click.option("--records", "kind", flag_value="records", help="The records of DATASET, named.")
@click.option("--quarantine", "kind", flag_value="quarantine", help="What DATASET set aside.")
@click.option("--all", "everything", is_flag=True, help=f"Not only the first {_SHOWN}.")
@with_context
def command(context: Context, what: str | None, kind: str | None, everything: bool) -> None:
    """List datasets; or a dataset's records, a run's outputs, or all runs, models, subjects.

    \b
    Examples:
      cloister ls
      cloister ls data1 --quarantine
      cloister ls --runs
    """
    with open_lab(context) as lab:
        table = _table(lab, what, kind)
        standing = overview.run_standing(lab, what) if what and _is_run(what) else None
    shown = table.rows if everything or context.output.as_json else table.rows[:_SHOWN]
    if table.rows:
        context.output.table(table.header[: table.columns], [r[: table.columns] for r in shown])
    else:
        context.output.line(table.empty)
    if table.note:
        context.output.line(table.note)
    if standing:
        context.output.line(f"standing: {standing}")
    if len(shown) < len(table.rows):
        context.output.line(f"... and {len(table.rows) - len(shown):,} more: --all")
    context.output.value([dict(zip(table.header, row, strict=True)) for row in shown])


Rows = list[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class _Table:
    header: tuple[str, ...]
    rows: Rows
    empty: str
    note: str = ""
    columns: int | None = None
    """How many are shown to people; None: all."""


def _table(lab: Lab, what: str | None, kind: str | None) -> _Table:
    if what is None:
        tables = {"runs": _runs, "models": _models, "subjects": _subjects}
        return tables.get(kind or "", _datasets)(lab)
    if _is_run(what):
        return _outputs(lab, what)
    if kind == "versions":
        return _versions(lab, what)
    return _records(lab, what, quarantined=kind == "quarantine")


def _is_run(what: str) -> bool:
    return what == "last" or what.startswith("run_")


def _datasets(lab: Lab) -> _Table:
    lines = overview.list_datasets(lab)
    rows: Rows = [
        (
            line.name,
            line.latest.number if line.latest else 0,
            line.latest.records if line.latest else 0,
            line.latest.subjects if line.latest else 0,
            size(line.latest.size_bytes) if line.latest else "-",
            line.quarantined,
            line.data_class,
            line.source,
            line.unfinished,
        )
        for line in lines
    ]
    header = (
        "dataset",
        "version",
        "records",
        "subjects",
        "size",
        "quarantined",
        "class",
        "added from",
        "unfinished",
    )
    empty = "no datasets yet: `cloister add FOLDER`"
    if any(line.unfinished is not None for line in lines):
        return _Table(header, rows, empty, _UNFINISHED)
    return _Table(header, rows, empty, columns=-1)


def _versions(lab: Lab, dataset: str) -> _Table:
    rows: Rows = [
        (v.number, v.records, v.subjects, size(v.size_bytes), v.time[:19] + "Z", v.root)
        for v in overview.list_versions(lab, dataset)
    ]
    return _Table(("version", "records", "subjects", "size", "time", "root"), rows, "none")


def _records(lab: Lab, reference: str, *, quarantined: bool) -> _Table:
    rows: Rows = [
        (
            line.record.record,
            line.record.subject,
            line.record.kind,
            size(line.record.size_bytes),
            line.record.quarantine,
            _path(line),
        )
        for line in overview.list_records(lab, reference, quarantined=quarantined)
    ]
    header = ("record", "subject", "kind", "size", "quarantine", "path")
    return _Table(header, rows, "none")


def _runs(lab: Lab) -> _Table:
    rows: Rows = [
        (
            line.run.run,
            _state(line),
            line.run.started[:19] + "Z",
            " ".join(line.inputs) or "-",
            line.data_class or "-",
            line.outputs,
            line.models,
            "(sealed)" if line.command is None else line.command,
        )
        for line in overview.list_runs(lab)
    ]
    header = ("run", "state", "started", "data", "class", "outputs", "models", "command")
    return _Table(header, rows, "no runs yet: `cloister run -- COMMAND`")


def _state(line: overview.RunLine) -> str:
    said = ["tainted"] if line.tainted else []
    said += [line.standing] if line.standing else []
    return line.run.state + (f" ({', '.join(said)})" if said else "")


def _outputs(lab: Lab, run: str) -> _Table:
    rows: Rows = [
        (
            line.kind,
            size(line.size_bytes),
            line.object,
            "(sealed)" if line.path is None else line.path,
        )
        for line in overview.list_outputs(lab, run)
    ]
    return _Table(("kind", "size", "object", "path"), rows, "it left nothing")


def _models(lab: Lab) -> _Table:
    rows: Rows = [
        (
            line.sha256[:16],
            line.run,
            size(line.size_bytes),
            "signed" if line.attested else "not signed",
            "TAINTED" if line.tainted else "sound",
            line.data_class or "-",
            line.predictions,
        )
        for line in overview.list_models(lab)
    ]
    header = ("model", "run", "size", "statement", "state", "class", "predictions")
    return _Table(header, rows, "no models yet")


def _subjects(lab: Lab) -> _Table:
    rows: Rows = [
        (line.subject, line.records, size(line.size_bytes), "erased" if line.erased else "-")
        for line in overview.list_subjects(lab)
    ]
    return _Table(("subject", "records", "size", "state"), rows, "no subjects yet")


def _path(line: overview.RecordLine) -> str:
    if line.path is None:
        return "(erased)" if line.erased else "(sealed)"
    return line.path

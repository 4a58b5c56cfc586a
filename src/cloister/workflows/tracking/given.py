"""What an export counts, and how it gives files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cloister.core.errors import Erased
from cloister.core.events import Transaction
from cloister.policy import Action, Resource
from cloister.tracking import artifacts
from cloister.tracking.runs import TrackedRun
from cloister.workflows.tracking import holders, marks
from cloister.workflows.tracking.artifacts import get
from cloister.workflows.tracking.visit import Visit


class Given(NamedTuple):
    """Whose files are given."""

    holder: str
    experiment: int
    project: str
    fenced: str | None
    below: str = ""
    """The folder of its kind: empty for a run."""


def holder_of_run(run: TrackedRun) -> Given:
    """The run, as one whose files are given."""
    return Given(run.run, run.experiment, run.project, run.fenced)


@dataclass(slots=True)
class ExportReport:
    """What one export wrote."""

    folder: Path
    experiments: int = 0
    runs: int = 0
    points: int = 0
    files: int = 0
    size_bytes: int = 0
    """Of the artifacts."""
    models: int = 0
    """Logged models."""
    versions: int = 0
    """Of registered models."""
    traces: int = 0
    erased: int = 0
    """Artifacts that nobody can read any more."""
    renamed: int = 0
    """Names that files cannot have beside one another, such as ``a`` and ``a/b``."""


def may_give(visit: Visit, tx: Transaction, one: Given) -> None:
    """Raises NotAllowed where what it says may not leave."""
    its = marks.of_fenced(tx, [one.fenced])[one.fenced]
    visit.act(
        Action.EXPORT, Resource("experiment", str(one.experiment), one.project, its.data_class)
    )


def give_files(
    visit: Visit, tx: Transaction, one: Given, place: Path, report: ExportReport
) -> None:
    """What lies below a holder, opened one by one: each reading is on record."""
    may_give(visit, tx, one)
    root = f"{one.experiment}/{one.below}{one.holder}/artifacts"
    for found in artifacts.below(tx, one.holder):
        try:
            opened = get(visit, f"{root}/{found.path}", holders.any_of)
        except Erased:
            report.erased += 1
            continue
        file = place / found.path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as stream:
            stream.writelines(opened.chunks)
        report.files += 1
        report.size_bytes += opened.size_bytes

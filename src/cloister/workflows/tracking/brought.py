"""What an import counts, and how it brings files and texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cloister.core.errors import BadInput
from cloister.runs.identified import Place
from cloister.tracking import artifacts
from cloister.tracking.notes import Note, last_of_each
from cloister.tracking.stock.walking import chunks, files
from cloister.workflows.tracking import holders
from cloister.workflows.tracking.artifacts import put
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.visit import Visit

ORIGIN = Note("cloister.imported", "mlflow")
"""The tag of a run that was made elsewhere."""


@dataclass(slots=True)
class ImportReport:
    """What one import brought; every run of the store is in ``runs`` or in ``known``."""

    experiments: int = 0
    runs: int = 0
    known: int = 0
    """Runs that were there already."""
    points: int = 0
    shortened: int = 0
    """Values longer than MLflow's own server takes, cut to its limit."""
    files: int = 0
    """Artifacts, sealed one by one."""
    elsewhere: int = 0
    """Runs whose artifacts do not lie on this machine."""
    refused: int = 0
    """Artifacts of a name that cannot be kept."""
    models: int = 0
    """Logged models that are new."""
    registered: int = 0
    """Names in the registry that are new, with all their versions."""
    versions: int = 0
    unplaced: int = 0
    """Versions whose files are not among what came."""
    traces: int = 0
    """Traced calls that are new."""
    unread: int = 0
    """Traced calls whose spans have a form that is not read; they did not come."""
    unassessed: int = 0
    """Assessments of those that came, of a kind that is not kept here, or refused."""
    identified: int = 0
    """Runs that named a patient of this lab; the id gave way to the pseudonym."""


def bring_files(
    visit: Visit,
    holder: str,
    root: str,
    folder: Path | None,
    report: ImportReport,
    but: frozenset[str] = frozenset(),
) -> None:
    """Those that are not there yet: what came without all of them is completed."""
    if folder is None:
        report.elsewhere += 1
        return
    there = visit.lab.read(lambda tx: {one.path for one in artifacts.below(tx, holder)})
    for path, file in files(folder):
        if path in but or Cleaner(visit).text(Place.ARTIFACT, path) in there:
            continue
        try:
            put(visit, f"{root}/{path}", chunks(file), file.stat().st_size, holders.any_of)
        except BadInput:
            report.refused += 1
        else:
            report.files += 1


def cut(notes: Iterable[Note], most: int, report: ImportReport) -> list[Note]:
    """With values no longer than that; of one name the last."""
    found = []
    for name, value in notes:
        whole = value.replace("\0", "")
        report.shortened += len(whole) > most
        found.append(Note(name, whole[:most]))
    return last_of_each(found)

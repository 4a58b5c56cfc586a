"""Two versions of a dataset side by side: what came, what went, what is read otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloister.core.events import Transaction
from cloister.core.ids import SubjectId
from cloister.datasets import records
from cloister.datasets.records import Record
from cloister.datasets.versions import DatasetVersion
from cloister.identity import subjects
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.data import curate
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import unsealed

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class ChangedRecord:
    """One record that sets the versions apart."""

    record: str
    how: str
    """``added``, ``removed`` or ``relabelled``."""
    kind: str
    size_bytes: int
    subject: str | None
    erased: bool
    path: str | None = None


@dataclass(frozen=True, slots=True)
class VersionDifference:
    """What sets two versions of one dataset apart."""

    older: DatasetVersion
    newer: DatasetVersion
    added: int
    removed: int
    relabelled: int
    unchanged: int
    subjects_added: int
    subjects_removed: int
    items: tuple[ChangedRecord, ...]
    """The first of each way, as many as a page can show."""
    shown_of_each: int


def difference(lab: Lab, older: str, newer: str, *, names: bool = False) -> VersionDifference:
    """From one version to the other; with ``names`` paths too, and that is on record.

    Raises NotFound, also for versions of two datasets; NotAllowed for names.
    """
    found = curate.diff(lab, older, newer)
    ways = {"added": found.added, "removed": found.removed, "relabelled": found.relabelled}

    def query(tx: Transaction) -> tuple[list[tuple[str, Record]], set[str], set[str], set[str]]:
        chosen = [
            (how, records.find(tx, name))
            for how, several in ways.items()
            for name in several[:_SHOWN]
        ]
        before, after = (
            {name for name, _ in records.owners(tx, one.dataset, one.number)}
            for one in (found.older, found.newer)
        )
        return chosen, before, after, set(subjects.erased(tx))

    chosen, before, after, gone = lab.read(query)
    paths = _paths(lab, found, [one for _, one in chosen]) if names else {}
    return VersionDifference(
        older=found.older,
        newer=found.newer,
        added=len(found.added),
        removed=len(found.removed),
        relabelled=len(found.relabelled),
        unchanged=found.newer.records - len(found.added) - len(found.relabelled),
        subjects_added=len(after - before),
        subjects_removed=len(before - after),
        items=tuple(
            ChangedRecord(
                record=one.record,
                how=how,
                kind=one.kind,
                size_bytes=one.size_bytes,
                subject=one.subject if isinstance(one.subject, SubjectId) else None,
                erased=one.subject in gone,
                path=paths.get(one.record),
            )
            for how, one in chosen
        ),
        shown_of_each=_SHOWN,
    )


def _paths(lab: Lab, found: curate.Difference, chosen: Sequence[Record]) -> dict[str, str]:
    act = lab.act(Action.READ)
    lab.read(lambda tx: _seen.version(lab, tx, str(found.newer), Action.READ))
    newer = found.newer
    operation = act.begin_read("list", dataset=newer.dataset, number=newer.number)
    paths: dict[str, str] = {
        one.record.record: one.meta.path.encode("utf-8", "backslashreplace").decode()
        for one in unsealed(lab, chosen)
    }
    act.record([act.end_read(operation, len(paths), 0)])
    return paths

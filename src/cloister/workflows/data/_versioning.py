"""The next version of a dataset: what it shows, and the root over that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloister.core.events import Transaction
from cloister.core.ids import BatchId, RecordId, SubjectId
from cloister.datasets import records, versions
from cloister.datasets.versions import LabelMark
from cloister.identity import subjects
from cloister.labels import rows


@dataclass(frozen=True, slots=True)
class Change:
    """What sets a version apart from the one before."""

    dataset: str
    batches: Sequence[BatchId]
    removed: Sequence[RecordId] = ()


def next_version(tx: Transaction, change: Change) -> dict[str, Any]:
    """The event body of the next version: its root is computed over what it will show."""
    before = versions.latest(tx, change.dataset)
    kept = records.of_version(tx, change.dataset, before.number) if before else []
    new = [r for b in change.batches for r in records.of_batch(tx, b) if r.added_in is None]
    erased = subjects.erased(tx)  # nobody can be given them, so no later version shows them
    removed = {*change.removed, *(r.record for r in kept if r.subject in erased)}
    members = sorted(record for record in kept + new if record.record not in removed)
    marks = {
        record: [LabelMark(found.label, found.commitment) for found in labels]
        for record, labels in rows.in_force(tx, change.dataset).items()
    }
    patients = {r.subject for r in members if isinstance(r.subject, SubjectId)}
    return {
        "batches": list(change.batches),
        "dataset": change.dataset,
        "number": versions.next_number(tx, change.dataset),
        "parent": before.root if before else None,
        "records": len(members),
        "removed": sorted(removed),
        "root": versions.root(members, marks),
        "size": sum(record.size_bytes for record in members),
        "subjects": len(patients),
    }

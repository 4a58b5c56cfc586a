"""Trace: everything that came of one patient's data, forward from records to predictions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cloister.core.events import Transaction
from cloister.datasets import reads, records, splits
from cloister.datasets.reads import Read
from cloister.datasets.records import Record
from cloister.identity import subjects
from cloister.labels import rows
from cloister.labels.rows import Label
from cloister.models import registry
from cloister.models.registry import Model, Prediction
from cloister.policy import Action
from cloister.runs import history
from cloister.runs.history import Run, RunInput, RunOutput
from cloister.workflows.lab import Lab
from cloister.workflows.whose import Patient


@dataclass(frozen=True, slots=True)
class TracedRun:
    """One run that was given the patient's records, and what it left."""

    run: Run
    inputs: tuple[RunInput, ...]
    outputs: tuple[RunOutput, ...]
    models: tuple[Model, ...]
    predictions: tuple[Prediction, ...]
    """Every answer its models gave, about anyone."""
    tainted: bool
    """Someone whose data it read was erased."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What the record says of one patient."""

    patient: Patient
    records: tuple[Record, ...]
    labels: tuple[Label, ...]
    versions: tuple[tuple[str, int], ...]
    """(dataset, number) of every version that shows a record of the patient."""
    runs: tuple[TracedRun, ...]
    predictions: tuple[Prediction, ...]
    """Answers given about the patient."""
    reads: tuple[Read, ...]
    """Openings of those versions and records, by anyone."""
    erased: int | None
    """Where the ledger records that the keys were destroyed."""


def trace(lab: Lab, patient: Patient) -> Trace:
    """Everything the record holds on ``patient``, in one snapshot; reads no patient data."""
    lab.act(Action.TRACE)
    return lab.read(lambda tx: follow(tx, patient))


def follow(tx: Transaction, patient: Patient) -> Trace:
    """The trace as of ``tx``."""
    mine = records.of_subjects(tx, patient.names)
    versions = sorted(set(_versions(tx, mine)))
    return Trace(
        patient=patient,
        records=tuple(mine),
        labels=tuple(rows.of_records(tx, [record.record for record in mine])),
        versions=tuple(versions),
        runs=tuple(_runs(tx, patient, mine)),
        predictions=tuple(
            found for name in patient.names for found in registry.predictions_about(tx, name)
        ),
        reads=tuple(_reads(tx, versions, mine)),
        erased=max(
            (at for name in patient.names if (at := subjects.erased_at(tx, name))), default=None
        ),
    )


def _versions(tx: Transaction, mine: Iterable[Record]) -> Iterable[tuple[str, int]]:
    spans = {(r.dataset, r.added_in, r.removed_in) for r in mine if r.added_in is not None}
    for dataset, first, end in spans:
        for row in tx.query(
            "SELECT number FROM version WHERE dataset = ? AND number >= ?"
            " AND (? IS NULL OR number < ?)",
            (dataset, first, end, end),
        ):
            yield dataset, row[0]


def _runs(tx: Transaction, patient: Patient, mine: Iterable[Record]) -> Iterable[TracedRun]:
    spans = {(r.dataset, r.added_in, r.removed_in) for r in mine if r.added_in is not None}
    touched: dict[str, set[RunInput]] = {}
    for dataset, first, end in spans:
        for found in history.that_read(tx, dataset, first, end):
            if _includes(tx, found, patient):
                touched.setdefault(found.run, set()).add(found)
    runs = [(history.find(tx, run), inputs) for run, inputs in touched.items()]
    for run, inputs in sorted(runs, key=lambda pair: pair[0].begun):
        yield TracedRun(
            run=run,
            inputs=tuple(sorted(inputs)),
            outputs=tuple(history.outputs(tx, run.run)),
            models=tuple(registry.of_run(tx, run.run)),
            predictions=tuple(registry.predictions(tx, run.run)),
            tainted=bool(registry.taints(tx, run.run)),
        )


def _includes(tx: Transaction, given: RunInput, patient: Patient) -> bool:
    """Whether the part of the split that the run was given holds the patient."""
    if not given.part:
        return True
    name, _, wanted = given.part.partition(":")
    return splits.find(tx, given.dataset, name).part_of(patient.canonical) == wanted


def _reads(
    tx: Transaction, versions: Iterable[tuple[str, int]], mine: Iterable[Record]
) -> Iterable[Read]:
    for dataset, number in versions:
        yield from reads.of_version(tx, dataset, number)
    for record in mine:
        yield from reads.of_record(tx, record.record)

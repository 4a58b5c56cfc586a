"""Trace: everything that came of one patient's data, forward from records to predictions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cloister.core.events import Transaction
from cloister.core.ids import CollectionId, OperationId, SubjectId
from cloister.datasets import checked, reads, records, splits, versions
from cloister.datasets.classes import DataClass
from cloister.datasets.reads import Read
from cloister.datasets.records import Record
from cloister.identity import subjects
from cloister.labels import rows
from cloister.labels.rows import Label
from cloister.models import exports, registry
from cloister.models.registry import Model, Prediction
from cloister.pipelines import history as flows
from cloister.policy import Action
from cloister.runs import history, identified, links, tainted
from cloister.runs.history import Run, RunInput, RunOutput
from cloister.runs.identified import Identified
from cloister.tracking import artifacts, logged_models, origins
from cloister.tracking.artifacts import Artifact
from cloister.tracking.logged_models import LoggedModel
from cloister.tracking.registry import Version
from cloister.workflows import _classes
from cloister.workflows._stopped import as_ended
from cloister.workflows.lab import Lab
from cloister.workflows.patients.whose import Patient


@dataclass(frozen=True, slots=True)
class TracedRun:
    """One run that was given records of the patient, and what it left."""

    run: Run
    inputs: tuple[RunInput, ...]
    outputs: tuple[RunOutput, ...]
    models: tuple[Model, ...]
    predictions: tuple[Prediction, ...]
    """Every answer its models gave, about anyone."""
    tainted: bool
    """Someone whose data it read was erased."""
    standing: str | None = None
    """The verdict of its last replay; of a replay, that it is one."""
    artifacts: tuple[Artifact, ...] = ()
    """The files it logged while it was tracked, sealed under its key, and what was added."""
    logged: tuple[LoggedModel, ...] = ()
    """The models among them."""
    registered: tuple[Version, ...] = ()
    """Versions of registered models that are made of its files."""
    data_class: DataClass | None = None
    """The highest of its data."""


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
    checks: tuple[CollectionId, ...] = ()
    """Sealed findings of checks that name the patient: erased with the patient."""
    named: tuple[Identified, ...] = ()
    """Where a run said that it was about the patient."""


def trace(lab: Lab, patient: Patient) -> Trace:
    """Everything the record holds on ``patient``, in one snapshot; reads no patient data."""
    lab.act(Action.TRACE)
    return lab.read(lambda tx: follow(tx, patient))


def follow(tx: Transaction, patient: Patient) -> Trace:
    """The trace as of ``tx``."""
    mine = records.of_subjects(tx, patient.names)
    shown = sorted(set(_versions(tx, mine)))
    return Trace(
        patient=patient,
        records=tuple(mine),
        labels=tuple(rows.of_records(tx, [record.record for record in mine])),
        versions=tuple(shown),
        runs=tuple(_runs(tx, mine)),
        predictions=tuple(
            found for name in patient.names for found in registry.predictions_about(tx, name)
        ),
        reads=tuple(_reads(tx, shown, mine)),
        erased=max(
            (at for name in patient.names if (at := subjects.erased_at(tx, name))), default=None
        ),
        checks=tuple(checked.naming(tx, patient.names)),
        named=tuple(one for name in patient.names for one in identified.of_subject(tx, name)),
    )


def late_erasures(tx: Transaction, run: Run) -> list[OperationId]:
    """Erasures, since ``run`` began to learn, of anyone whose records it was given."""
    found: dict[OperationId, None] = {}
    inputs = history.inputs(tx, run.run)
    for operation, subject in subjects.erased_since(tx, _trained(tx, run)):
        mine = _one_a_span(records.of_subjects(tx, [subject]))
        if any(_was_given(tx, run, given, record) for given in inputs for record in mine):
            found[operation] = None
    return list(found)


def _one_a_span(mine: Iterable[Record]) -> list[Record]:
    """One record for each stretch of versions that shows records of one subject."""
    return list({(r.subject, r.dataset, r.added_in, r.removed_in): r for r in mine}.values())


def _versions(tx: Transaction, mine: Iterable[Record]) -> Iterable[tuple[str, int]]:
    for record in _one_a_span(mine):
        for version in versions.versions(tx, record.dataset):
            if record.is_in(version.dataset, version.number):
                yield version.dataset, version.number


def _runs(tx: Transaction, mine: Iterable[Record]) -> Iterable[TracedRun]:
    touched: dict[Run, set[RunInput]] = {}
    for record in _one_a_span(mine):
        for given in history.that_read(tx, record.dataset):
            run = history.find(tx, given.run)
            if _was_given(tx, run, given, record):
                touched.setdefault(run, set()).add(given)
    made = origins.versions_by_run(tx) if touched else {}
    found = _classes.of_runs(tx, [run.run for run in touched])
    for run in sorted(touched, key=lambda one: one.begun):
        (ended,) = as_ended(tx, [run])
        yield TracedRun(
            run=ended,
            inputs=tuple(sorted(touched[run])),
            outputs=tuple(history.outputs(tx, run.run)),
            models=tuple(registry.of_run(tx, run.run)),
            predictions=tuple(registry.predictions(tx, run.run)),
            tainted=bool(tainted.operations(tx, run.run) or registry.taints(tx, run.run)),
            standing=links.standing(tx, run.run),
            artifacts=tuple(artifacts.of_fenced(tx, run.run)),
            logged=tuple(logged_models.of_fenced(tx, run.run)),
            registered=tuple(made.get(run.run, ())),
            data_class=found.get(run.run),
        )


def _was_given(tx: Transaction, run: Run, given: RunInput, record: Record) -> bool:
    """Whether ``record`` was among what ``run`` was given as ``given``.

    In doubt yes: a run that began before the end of an erasure may have had the keys.
    """
    if not record.is_in(given.dataset, given.number):
        return False
    subject = SubjectId(record.subject)
    erased = subjects.erased_at(tx, subject)
    if erased is not None and erased < _trained(tx, run):
        return False
    if not given.part:
        return True
    name, _, wanted = given.part.partition(":")
    # Dealt out by the names the patient had then, not by those of today.
    patient = min(subjects.closure(tx, subject, at=_trained(tx, run)))
    return splits.find(tx, given.dataset, name).part_of(patient) == wanted


def _trained(tx: Transaction, run: Run) -> int:
    """Where the ledger has the beginning of what read the data.

    A conversion only inherits, and so does a task that takes the values of others.
    """
    exported = exports.find(tx, run.run)
    first = run.run if exported is None else exported.origin
    return min(history.find(tx, one).begun for one in flows.came_from(tx, first))


def _reads(
    tx: Transaction, shown: Iterable[tuple[str, int]], mine: Iterable[Record]
) -> Iterable[Read]:
    for dataset, number in shown:
        yield from reads.of_version(tx, dataset, number)
    for dataset in sorted({record.dataset for record in mine if record.quarantine}):
        yield from reads.of_quarantine(tx, dataset)
    for record in mine:
        yield from reads.of_record(tx, record.record)

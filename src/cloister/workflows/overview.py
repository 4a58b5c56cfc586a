"""What the lab holds, at a glance: the rows behind `cloister ls`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloister.core.events import Transaction
from cloister.core.ids import RecordId
from cloister.datasets import classes, records, versions
from cloister.datasets.classes import DataClass
from cloister.datasets.records import Record
from cloister.datasets.versions import DatasetVersion
from cloister.identity import subjects
from cloister.keys.seal import open_field
from cloister.models import registry
from cloister.policy import Action
from cloister.runs import command, history, links, tainted
from cloister.runs.history import Run
from cloister.workflows import _classes, _seen
from cloister.workflows._stopped import as_ended
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import open_keys, sources, unseal_output, unsealed


@dataclass(frozen=True, slots=True)
class DatasetLine:
    """One dataset."""

    name: str
    latest: DatasetVersion | None
    quarantined: int
    source: str | None = field(repr=False)
    """None when the keys cannot say."""
    data_class: DataClass = classes.DEFAULT
    unfinished: int | None = None
    """Records that an add which goes on, or was interrupted, has sealed; None without one."""


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One record."""

    record: Record
    path: str | None = field(repr=False)
    """None when its subject was erased, or the actor may not read."""
    erased: bool


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run."""

    run: Run
    command: str | None = field(repr=False)
    inputs: tuple[str, ...]
    outputs: int
    models: int
    tainted: bool
    standing: str | None = None
    """The verdict of its last replay; of a replay, that it is one."""
    data_class: DataClass | None = None
    """The highest of its data; None without any."""


@dataclass(frozen=True, slots=True)
class OutputLine:
    """One thing a run left."""

    kind: str
    path: str | None = field(repr=False)
    size_bytes: int
    object: str


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One model."""

    sha256: str
    run: str
    size_bytes: int
    attested: bool
    tainted: bool
    predictions: int
    data_class: DataClass | None = None


@dataclass(frozen=True, slots=True)
class SubjectLine:
    """One subject, by pseudonym."""

    subject: str
    records: int
    size_bytes: int
    erased: bool


def list_datasets(lab: Lab) -> list[DatasetLine]:
    """All datasets, by name."""
    lab.act(Action.LIST)
    known = sources(lab) if _may_read(lab) else {}
    folders = {dataset.name: str(path) for path, dataset in known.items()}

    def query(tx: Transaction) -> list[DatasetLine]:
        return [
            DatasetLine(
                dataset.name,
                versions.latest(tx, dataset.name),
                len(records.quarantined(tx, dataset.name)),
                folders.get(dataset.name),
                classes.of_dataset(tx, dataset.name),
                records.sealed_unseen(tx, dataset.name),
            )
            for dataset in _seen.datasets(lab, tx)
        ]

    return lab.read(query)


def list_versions(lab: Lab, dataset: str) -> list[DatasetVersion]:
    """All versions of one dataset, oldest first; raises NotFound."""
    lab.act(Action.LIST)
    return lab.read(lambda tx: versions.versions(tx, _seen.dataset(lab, tx, dataset)))


def list_records(lab: Lab, reference: str, *, quarantined: bool = False) -> list[RecordLine]:
    """The records of a version, or what its dataset set aside; with their paths.

    Paths may be patient data: whoever may not read sees none, and that they were shown is on
    record.
    """
    act = lab.act(Action.LIST)

    def query(tx: Transaction) -> tuple[int | None, list[Record], frozenset[str]]:
        gone = subjects.erased(tx)
        if quarantined:
            return None, records.quarantined(tx, _seen.dataset(lab, tx, name)), gone
        version = _seen.version(lab, tx, reference)
        return version.number, records.of_version(tx, name, version.number), gone

    name = reference.partition("@")[0]
    number, found, gone = lab.read(query)
    paths: dict[RecordId, str] = {}
    if found and _may_read(lab):
        operation = act.begin_read("list", dataset=name, number=number)
        paths = {one.record.record: one.meta.path for one in unsealed(lab, found)}
        act.record([act.end_read(operation, len(paths), 0)])
    return [RecordLine(one, paths.get(one.record), one.subject in gone) for one in found]


def list_runs(lab: Lab) -> list[RunLine]:
    """All runs, oldest first."""
    lab.act(Action.LIST)
    runs = lab.read(lambda tx: as_ended(tx, _seen.runs(lab, tx)))
    keys = open_keys(lab, [run.key for run in runs]) if _may_read(lab) else {}

    def line(tx: Transaction, run: Run) -> RunLine:
        kept = [output for output in history.outputs(tx, run.run) if output.kind == "output"]
        return RunLine(
            run=run,
            command=_command(run, keys.get(run.seal)),
            inputs=tuple(f"{i.dataset}@{i.number}" for i in history.inputs(tx, run.run)),
            outputs=len(kept),
            models=len(registry.of_run(tx, run.run)),
            tainted=bool(tainted.operations(tx, run.run) or registry.taints(tx, run.run)),
            standing=links.standing(tx, run.run),
            data_class=found.get(run.run),
        )

    found: Mapping[str, DataClass] = {}

    def query(tx: Transaction) -> list[RunLine]:
        nonlocal found
        found = _classes.of_runs(tx, [run.run for run in runs])
        return [line(tx, run) for run in runs]

    return lab.read(query)


def list_outputs(lab: Lab, run: str) -> list[OutputLine]:
    """What one run left; raises NotFound. Names are shown as those of records are."""
    act = lab.act(Action.LIST)
    outputs = lab.read(lambda tx: history.outputs(tx, _seen.run(lab, tx, run).run))
    names: dict[int, str] = {}
    if outputs and _may_read(lab):
        operation = act.begin_read("list", run=outputs[0].run)
        keys = open_keys(lab, [output.key for output in outputs])
        names = {
            one.place: unseal_output(one, keys[one.seal]).path
            for one in outputs
            if one.seal in keys
        }
        act.record([act.end_read(operation, 0, 0)])
    return [
        OutputLine(one.kind, names.get(one.place), one.size_bytes, one.object)
        for one in outputs
    ]


def run_standing(lab: Lab, run: str) -> str | None:
    """The verdict of a run's last replay, or that it is one; raises NotFound."""
    lab.act(Action.LIST)
    return lab.read(lambda tx: links.standing(tx, _seen.run(lab, tx, run).run))


def list_models(lab: Lab) -> list[ModelLine]:
    """All models, oldest first."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> list[ModelLine]:
        runs = _seen.runs(lab, tx)
        found = _classes.of_runs(tx, [run.run for run in runs])
        return [
            ModelLine(
                sha256=model.sha256,
                run=model.run,
                size_bytes=model.size_bytes,
                attested=registry.envelope(tx, model.run) is not None,
                tainted=bool(registry.taints(tx, model.run)),
                predictions=len(registry.predictions(tx, model.run)),
                data_class=found.get(model.run),
            )
            for run in runs
            for model in registry.of_run(tx, run.run)
        ]

    return lab.read(query)


def list_subjects(lab: Lab) -> list[SubjectLine]:
    """All subjects by pseudonym, quarantined ones included."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> list[SubjectLine]:
        gone = subjects.erased(tx)
        return [
            SubjectLine(held.subject, held.records, held.size_bytes, held.subject in gone)
            for held in records.holdings(tx)
        ]

    return lab.read(query)


def _may_read(lab: Lab) -> bool:
    """Whether the actor sees names: paths and command lines may be patient data."""
    return lab.may(Action.READ)


def _command(run: Run, object_key: bytes | None) -> str | None:
    if object_key is None:
        return None
    plain = open_field(object_key, command.PURPOSE, run.command, run.run.encode())
    return shlex.join(command.read(plain))

"""Add: a folder of patient data becomes sealed records and one new dataset version."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from cloister.biobank import Item, SubjectRules
from cloister.biobank.tree import Survey, survey
from cloister.biobank.walk import walk
from cloister.core.encoding import to_text
from cloister.core.errors import BadInput, Conflict, NoSpace
from cloister.core.events import Event, Transaction
from cloister.core.ids import BatchId, CollectionId, RecordId
from cloister.core.progress import Progress, silent
from cloister.core.values import KeyRef
from cloister.datasets import classes, corrections, records, versions
from cloister.datasets.classes import DataClass
from cloister.datasets.versions import Dataset, DatasetVersion
from cloister.keys.seal import seal_field
from cloister.keys.values import GrantRequest
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.data._labelling import Labelled, LabelSource, label, read_labels
from cloister.workflows.data._sealing import Known, Place, Sealing
from cloister.workflows.data._versioning import Change, next_version
from cloister.workflows.data.check import Checked, CheckRequest, check
from cloister.workflows.data.classify import body
from cloister.workflows.lab import Act, Lab
from cloister.workflows.unseal import SOURCE, source_folders, unsealed

__all__ = ["AddReport", "AddRequest", "LabelSource", "Stages", "add"]

_BATCH_ITEMS = 2000
_BATCH_BYTES = 32 << 20  # two batches are in memory at a time
_HEADROOM = 64 << 20


@dataclass(frozen=True, slots=True)
class AddRequest:
    """What to add and how to tell whose it is."""

    folder: Path
    rules: SubjectRules
    name: str | None = None
    labels: LabelSource | None = None
    checks: bool = False
    """Whether to check the version that it makes."""
    data_class: DataClass | None = None
    """Of a new dataset; what names a patient, where nobody says."""
    stages: Stages | None = None
    """What the folder holds, where it is none of this machine: ``folder`` is what the dataset
    says that it came from, and where jobs see it."""


class Stages(Protocol):
    """A folder that comes a part at a time: each is there while it is added, and no longer."""

    @property
    def survey(self) -> Survey:
        """How much it is altogether; raises BadInput where the rules do not fit it."""

    def parts(self) -> Iterator[AbstractContextManager[Path]]:
        """Folders that together hold every file once, ordered by the bytes of paths."""

    def labels(self) -> AbstractContextManager[LabelSource | None]:
        """The file of labels, while it is read."""


@dataclass(frozen=True, slots=True)
class AddReport:
    """What one add did; every entry of the folder is in exactly one of the counts."""

    dataset: str
    version: DatasetVersion | None
    """None when nothing was new."""
    current: DatasetVersion | None
    entries: int
    added: int
    unchanged: int
    superseded: int
    missing: int
    """Records whose file is no longer in the folder; they stay in the dataset."""
    quarantined: dict[str, int]
    labels: int
    label_problems: Mapping[str, int]
    size_bytes: int
    seconds: float
    """Without the checks."""
    folder: Path
    checked: Checked | None = None
    """What the checks found, where they were asked for and there was anything new."""


def add(lab: Lab, request: AddRequest, progress: Progress = silent) -> AddReport:
    """Seals what ``request.folder`` holds; the source folder stays as it was.

    Killed at any moment, nothing of it is visible, and the next add of the folder takes up
    what was sealed. Raises NotFound, BadInput, NoSpace before anything is written, Conflict
    while another process adds to the dataset. Checks come after the version is on record.
    """
    report = _add(lab, request, progress)
    if not request.checks or report.version is None:
        return report
    wanted = CheckRequest(str(report.version), label_problems=report.label_problems)
    return replace(report, checked=check(lab, wanted, progress))


def _add(lab: Lab, request: AddRequest, progress: Progress) -> AddReport:
    started_s = lab.clock.monotonic_s()
    act = lab.act(Action.ADD)
    request.rules.check()
    folder = Path(os.path.abspath(request.folder))
    stages = request.stages or _Whole(lab, folder, request.rules, request.labels)
    total = stages.survey
    _check_space(lab, total.size_bytes)
    with stages.labels() as source:
        file = None if source is None else read_labels(source)
    # One writer at a time: two adds of one folder, or for one name, find each other here.
    dataset = lab.database.write(lambda tx: _dataset(act, tx, folder, request))
    with lab.alone(dataset.name):
        known, unfinished = _known(lab, dataset)
        with lab.store.writer("raw") as writer, ThreadPoolExecutor(1) as beside:
            batch = BatchId.new(lab.randomness)
            sealing = Sealing(act, dataset, batch, writer, known, beside)
            for part in stages.parts():
                with part as here:
                    for items in _batches(walk(here, request.rules, part=True)):
                        sealing.take(items)
                        progress("sealing", sealing.tally.entries, total.files)
                    sealing.end()
        tally = sealing.tally
        labelled = Labelled()
        if file is not None:
            progress("labels", 0, 0)
            labelled = label(act, dataset.name, sealing.batch, tally.superseded, file)
        version = _commit(act, dataset, sealing, unfinished, labelled.written)
        absent = _Absent.of(sealing)
        return AddReport(
            dataset=dataset.name,
            version=version,
            current=lab.read(lambda tx: versions.latest(tx, dataset.name)),
            entries=tally.entries,
            added=tally.added,
            unchanged=tally.unchanged,
            superseded=len(tally.superseded) + len(absent.displaced),
            missing=len(absent.missing),
            quarantined=tally.quarantined,
            labels=labelled.written,
            label_problems=labelled.problems,
            size_bytes=tally.size_bytes,
            seconds=lab.clock.monotonic_s() - started_s,
            folder=folder,
        )


@dataclass(frozen=True, slots=True)
class _Whole:
    """A folder of this machine, all of it at once."""

    lab: Lab
    folder: Path
    rules: SubjectRules
    source: LabelSource | None

    @property
    def survey(self) -> Survey:
        _check_folder(self.lab, self.folder)
        column = self.rules.column
        elsewhere = bool(column and self.source and self.source.may_have(column))
        walk(self.folder, self.rules, part=elsewhere)  # nothing yet but its refusals
        return survey(self.folder)

    def parts(self) -> Iterator[AbstractContextManager[Path]]:
        yield nullcontext(self.folder)

    def labels(self) -> AbstractContextManager[LabelSource | None]:
        return nullcontext(self.source)


def _check_folder(lab: Lab, folder: Path) -> None:
    """Refuses what is no folder, and any that would bring the lab or its keys into itself."""
    if not folder.is_dir():
        raise BadInput("not a folder that can be read", hint="add takes one folder")
    here = folder.resolve()
    for path in map(Path.resolve, lab.private):
        if here.is_relative_to(path) or path.is_relative_to(here):
            raise BadInput(
                "the folder holds the lab, its keys or its passphrase, or lies in one of them",
                hint="add the folder that holds the data and nothing else",
            )


def _check_space(lab: Lab, size_bytes: int) -> None:
    needed = size_bytes + size_bytes // 20 + _HEADROOM
    free = shutil.disk_usage(lab.folder).free
    if free < needed:
        raise NoSpace(
            f"the lab's disk has {free >> 20} MiB free; this add may need {needed >> 20} MiB",
            hint="nothing was written; make room or move the lab to a larger disk",
        )


def _dataset(act: Act, tx: Transaction, folder: Path, request: AddRequest) -> Dataset:
    """The dataset that came from ``folder``, or a new one."""
    lab, name = act.lab, request.name
    known = versions.datasets(tx)
    found = source_folders(lab, known).get(folder)
    if found:
        _seen.dataset(lab, tx, found.name)
    if found and name in {None, found.name}:
        _check_class(tx, found.name, request.data_class)
        return found
    if found:
        raise Conflict(
            f"this folder is dataset {found.name} already", hint="leave --name out to add to it"
        )
    taken = {dataset.name for dataset in known}
    if name in taken:
        raise Conflict(f"dataset {name} came from another folder", hint="choose another --name")
    chosen = versions.check_name(name) if name else _free_name(taken)
    collection = lab.keys.new_owner(CollectionId)
    grant = lab.keys.grants([GrantRequest(collection)])[0].key
    source = seal_field(grant.object_key, SOURCE, os.fsencode(folder), collection.encode())
    body = {
        "collection": collection,
        "dataset": chosen,
        "seal": to_text(grant.seal_id),
        "source": to_text(source),
        "wrap": to_text(grant.wrap),
    }
    created = act.event("dataset.created", body)
    place = _seen.placed(act, _seen.DATASET, chosen, _seen.own_project(lab))
    lab.ledger.append(tx, [created, *place, *_classified(act, chosen, request.data_class)])
    key = KeyRef(collection, grant.seal_id, grant.wrap)
    return Dataset(chosen, CollectionId(collection), key, source)


def _classified(act: Act, name: str, data_class: DataClass | None) -> Iterator[Event]:
    """The event that says of which class a new dataset is, where somebody did."""
    if data_class is not None:
        yield act.event("data.classified", body(name, data_class, "as it was added"))


def _check_class(tx: Transaction, name: str, data_class: DataClass | None) -> None:
    known = classes.of_dataset(tx, name)
    if data_class not in {None, known}:
        raise Conflict(
            f"{name} is {known}, and adding to it does not change that",
            hint=f"say why: cloister dataset classify {name} {data_class} --reason ...",
        )


def _free_name(taken: set[str]) -> str:
    """A name that says nothing: a folder's own may be a patient's."""
    number = 1
    while f"data{number}" in taken:
        number += 1
    return f"data{number}"


def _known(lab: Lab, dataset: Dataset) -> tuple[dict[Place, Known], list[records.Record]]:
    """What the dataset holds, and what an interrupted add left sealed but invisible."""

    def query(tx: Transaction) -> tuple[list[records.Record], list[records.Record]]:
        latest = versions.latest(tx, dataset.name)
        current = records.of_version(tx, dataset.name, latest.number) if latest else []
        aside = records.quarantined(tx, dataset.name)
        by_hand.update(corrections.assigned(tx, dataset.name))
        return current + aside, records.unfinished(tx, dataset.name)

    by_hand: set[str] = set()
    current, unfinished = lab.read(query)
    known: dict[Place, Known] = {}
    for record, plain, _ in unsealed(lab, current + unfinished):
        # By what the folder says, what was assigned by hand is still nobody's.
        aside = record.quarantine or record.record in by_hand
        owner = "" if aside else record.subject
        part = plain.part or 0 if aside else 0
        sha256 = plain.opening.plaintext_sha256 if plain.opening else None
        known[plain.path, record.kind, owner, part] = Known(record.record, sha256, plain.part)
    return known, unfinished


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += len(item.content) if item.content is not None else _BATCH_BYTES // 8
        if len(batch) >= _BATCH_ITEMS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _commit(
    act: Act, dataset: Dataset, sealing: Sealing, unfinished: list[records.Record], labels: int
) -> DatasetVersion | None:
    """Makes the batch visible as the next version, in one transaction with its root."""
    tally, lab = sealing.tally, act.lab
    absent = _Absent.of(sealing)
    never_shown = absent.missing.intersection(record.record for record in unfinished)
    removed = {*tally.superseded, *absent.displaced, *never_shown}
    if not (tally.added or removed or unfinished or labels):
        return None
    change = Change(
        dataset=dataset.name,
        batches=sorted({record.batch for record in unfinished} | {sealing.batch}),
        removed=sorted(removed),
    )

    def write(tx: Transaction) -> None:
        lab.ledger.append(tx, [act.event("version.committed", next_version(tx, change))])

    lab.database.write(write)
    return lab.read(lambda tx: versions.latest(tx, dataset.name))


@dataclass(frozen=True, slots=True)
class _Absent:
    """Records of the dataset that this add did not meet."""

    displaced: frozenset[RecordId]
    """Their file was read and holds nothing of them any more, or is a folder now."""
    missing: frozenset[RecordId]
    """Their file is not there, or nothing of it can be used today."""

    @classmethod
    def of(cls, sealing: Sealing) -> Self:
        """Those that ``sealing`` knew of and has not seen."""
        seen = sealing.tally.seen
        read = {path for path, _, owner, _ in seen if owner}
        folders = {folder for path in read for folder in _folders(path)}
        displaced: set[RecordId] = set()
        missing: set[RecordId] = set()
        for place, known in sealing.known.items():
            if place not in seen:
                path = place[0]
                taken = path in read or path in folders or not read.isdisjoint(_folders(path))
                (displaced if taken else missing).add(known.record)
        return cls(frozenset(displaced), frozenset(missing))


def _folders(path: str) -> Iterator[str]:
    """The folders that ``path`` lies in."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path

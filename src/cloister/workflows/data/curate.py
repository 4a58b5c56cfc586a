"""Curate: tags, splits, differences of versions; links between names of a patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cloister.core.errors import Conflict, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import SubjectId
from cloister.datasets import records, splits, versions
from cloister.datasets.splits import Split
from cloister.datasets.versions import DatasetVersion
from cloister.identity import subjects
from cloister.labels import rows
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
from cloister.workflows.patients.whose import Patient


@dataclass(frozen=True, slots=True)
class Difference:
    """What sets two versions of one dataset apart."""

    older: DatasetVersion
    newer: DatasetVersion
    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[str, ...]
    """Records in both whose labels differ."""


def tag(lab: Lab, reference: str, name: str) -> DatasetVersion:
    """Names a version; a tag that exists moves, and the ledger remembers from where."""
    act = lab.act(Action.ADD)
    versions.check_name(name)
    version = lab.read(lambda tx: _seen.version(lab, tx, reference, Action.ADD))
    body = {"dataset": version.dataset, "number": version.number, "tag": name}
    act.record([act.event("version.tagged", body)])
    return version


def diff(lab: Lab, older: str, newer: str) -> Difference:
    """What was added, removed and relabelled from one version to the other."""
    lab.act(Action.LIST)
    return lab.read(lambda tx: _diff(lab, tx, older, newer))


def _diff(lab: Lab, tx: Transaction, older: str, newer: str) -> Difference:
    first, second = _seen.version(lab, tx, older), _seen.version(lab, tx, newer)
    if first.dataset != second.dataset:
        raise NotFound("the versions are of different datasets: nothing to compare")
    before, after = _members(tx, first), _members(tx, second)
    return Difference(
        first,
        second,
        added=tuple(record for record in after if record not in before),
        removed=tuple(record for record in before if record not in after),
        relabelled=tuple(r for r, labels in after.items() if before.get(r, labels) != labels),
    )


def _members(tx: Transaction, version: DatasetVersion) -> dict[str, frozenset[str]]:
    labels = rows.in_force(tx, version.dataset, version.place)
    return {
        record.record: frozenset(label.label for label in labels.get(record.record, ()))
        for record in records.of_version(tx, version.dataset, version.number)
    }


def define_split(lab: Lab, dataset: str, split: Split) -> Mapping[str, int]:
    """Defines a split by subject, for good; gives how many patients fall into each part.

    Raises Conflict when the dataset has another split of this name.
    """
    act = lab.act(Action.ADD)
    versions.check_name(split.name)
    version = lab.read(lambda tx: _seen.version(lab, tx, dataset, Action.ADD))
    parts = ",".join(f"{name}={share / 1000}" for name, share in split.parts)
    try:
        known = lab.read(lambda tx: splits.find(tx, version.dataset, split.name))
    except NotFound:
        body = {
            "dataset": version.dataset,
            "name": split.name,
            "parts": parts,
            "seed": split.seed,
        }
        act.record([act.event("split.defined", body)])
    else:
        if known != split:
            raise Conflict(
                f"{version.dataset} has another split named {split.name}",
                hint="splits never change under their name: choose another",
            )
    return lab.read(lambda tx: _sizes(tx, version, split))


def _sizes(tx: Transaction, version: DatasetVersion, split: Split) -> Mapping[str, int]:
    members = records.of_version(tx, version.dataset, version.number)
    names = {r.subject for r in members if isinstance(r.subject, SubjectId)}
    patients = {min(subjects.closure(tx, name)) for name in names}
    counted = Counter(split.part_of(patient) for patient in patients)
    return {part: counted[part] for part, _ in split.parts}


def link(lab: Lab, a: Patient, b: Patient) -> None:
    """Says that two names are one patient: splits, trace and erase treat them as one."""
    act = lab.act(Action.ADD)
    if b.asked in a.names:
        raise Conflict("the two names are linked already")
    act.record([act.event("subject.linked", {"a": a.asked, "b": b.asked})])


def unlink(lab: Lab, a: Patient, b: Patient) -> None:
    """Takes a link back; raises NotFound when the two are not linked directly."""
    act = lab.act(Action.ADD)
    if not lab.read(lambda tx: subjects.are_linked(tx, a.asked, b.asked)):
        raise NotFound("the two names are not linked to each other")
    act.record([act.event("subject.unlinked", {"a": a.asked, "b": b.asked})])

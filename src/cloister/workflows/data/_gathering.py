"""From a version to the material of the checks: everything opened, in memory, for a moment."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloister.biobank import Kind, Layout
from cloister.biobank.layout import rows_of
from cloister.checks import LabelValue, Material, Table, TableRow
from cloister.core.columns import showable
from cloister.core.events import Transaction
from cloister.core.ids import SubjectId
from cloister.core.values import RecordFacts
from cloister.datasets import examined, records, splits
from cloister.datasets.examined import Examined
from cloister.datasets.records import Record
from cloister.datasets.versions import DatasetVersion
from cloister.identity import subjects
from cloister.labels import rows
from cloister.labels.rows import Label
from cloister.workflows.data.materialise import plaintexts
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import Unsealed, unseal_label

_LARGEST_TABLES = 512 << 20


@dataclass(frozen=True, slots=True)
class Standing:
    """What the record says of a version, in one snapshot."""

    members: Sequence[Record]
    labels: Mapping[str, Sequence[Label]]
    examined: Mapping[str, Examined]
    aside: Sequence[Record]
    patient_of: Mapping[str, str]
    parts: Mapping[str, Mapping[str, str]]
    regrouped: Mapping[str, Sequence[str]]


def standing(tx: Transaction, version: DatasetVersion) -> Standing:
    """The version as of ``tx``."""
    members = records.of_version(tx, version.dataset, version.number)
    names = {r.subject for r in members if isinstance(r.subject, SubjectId)}
    linked = names & subjects.ever_linked(tx)
    patient_of: dict[str, str] = {name: min(subjects.closure(tx, name)) for name in linked}
    parts: dict[str, Mapping[str, str]] = {}
    regrouped: dict[str, Sequence[str]] = {}
    for split, place in splits.of_dataset(tx, version.dataset):
        parts[split.name] = {n: split.part_of(patient_of.get(n, n)) for n in names}
        before: dict[str, set[str]] = defaultdict(set)
        for name in linked:
            then = min(subjects.closure(tx, name, at=place))
            before[patient_of[name]].add(split.part_of(then))
        torn = [n for n in linked if len(before[patient_of[n]]) > 1]
        if torn:
            regrouped[split.name] = sorted(torn)
    return Standing(
        members,
        rows.in_force(tx, version.dataset, version.place),
        examined.of_dataset(tx, version.dataset),
        records.quarantined(tx, version.dataset),
        patient_of,
        parts,
        regrouped,
    )


def material(
    lab: Lab,
    found: Standing,
    given: Sequence[Unsealed],
    facts: Mapping[str, Mapping[str, str]],
    label_problems: Mapping[str, int],
) -> Material:
    """All that the checks look at, but for which words are ids."""
    aside: dict[str, list[str]] = defaultdict(list)
    for record in found.aside:
        aside[record.quarantine or ""].append(record.record)
    return Material(
        records=[_record(one, facts.get(one[0].record, {})) for one in given],
        labels=list(_labels(found, given)),
        tables=list(_tables(lab, given)),
        patient_of=found.patient_of,
        parts=found.parts,
        regrouped=found.regrouped,
        set_aside=aside,
        label_problems=label_problems,
    )


def _record(one: Unsealed, facts: Mapping[str, str]) -> RecordFacts:
    record, plain, _ = one
    sha256 = plain.opening.plaintext_sha256.hex() if plain.opening else ""
    subject = record.subject if isinstance(record.subject, SubjectId) else None
    known = {**plain.facts, **facts, "path": plain.path, "sha256": sha256}
    return RecordFacts(record.record, subject, record.kind, record.size_bytes, known)


def _labels(found: Standing, given: Sequence[Unsealed]) -> Iterator[LabelValue]:
    for record, _, key in given:
        for label in found.labels.get(record.record, ()):
            value = unseal_label(label, key)
            yield LabelValue(record.record, label.schema, value, label.reader)


def _tables(lab: Lab, given: Sequence[Unsealed]) -> Iterator[Table]:
    wanted = [one for one in given if one[0].kind in {Kind.ROWS, Kind.LAYOUT} and one[0].object]
    if sum(record.size_bytes for record, _, _ in wanted) > _LARGEST_TABLES:
        return
    layouts: dict[str, Layout] = {}
    parts: dict[str, list[tuple[Record, bytes]]] = defaultdict(list)
    for record, plain, chunks in plaintexts(lab, wanted):
        content = b"".join(chunks)
        if record.kind == Kind.LAYOUT:
            layouts[plain.path] = Layout.decode(content)
        else:
            parts[plain.path].append((record, content))
    for path, layout in sorted(layouts.items()):
        yield _table(path, layout, parts[path])


def _table(path: str, layout: Layout, parts: Sequence[tuple[Record, bytes]]) -> Table:
    header = _cells(layout.header, layout.delimiter)
    found = [
        TableRow(record.record, record.subject, _cells(row, layout.delimiter))
        for record, content in parts
        for row in rows_of(content)
    ]
    below = found[0].cells if found else ()
    shown = bool(showable(header, below))
    return Table(
        path, tuple(name.strip() for name in header), layout.column, tuple(found), shown
    )


def _cells(row: bytes, delimiter: str) -> tuple[str, ...]:
    text = row.decode("utf-8-sig", "replace").rstrip("\r\n")
    return tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), ()))

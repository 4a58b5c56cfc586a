"""From a file of labels to label rows on records, sealed like the records they are on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloister.biobank import Kind
from cloister.biobank.tables import SUFFIXES
from cloister.core.canonical import canonical
from cloister.core.commitment import commit_to
from cloister.core.encoding import to_text
from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.core.ids import BatchId, LabelId, SubjectId
from cloister.core.subjects import Identity
from cloister.datasets import records, versions
from cloister.datasets.records import Record
from cloister.keys.seal import seal_field
from cloister.labels import rows
from cloister.labels.parse import LabelProblem, LabelRow, LabelRules, Labels, parse_labels
from cloister.labels.rows import PURPOSE, Label, NewLabel
from cloister.workflows.lab import Act, Lab
from cloister.workflows.unseal import open_keys, unseal_label, unseal_meta

_TOGETHER = 5000
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Where the labels of an add are."""

    file: Path | None
    """None: the one table in the folder that was added which has the label columns."""
    rules: LabelRules

    def may_have(self, column: str) -> bool:
        """Whether a file that was named has that column; reading it says what else is wrong."""
        try:
            return self.file is not None and _has(self.file, (column,))
        except OSError:
            return True


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A file of labels that was read."""

    labels: Labels
    home: str | None = field(repr=False)
    """Its own path in the dataset, if it lies in the folder that was added."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """What became of the lines of a file of labels."""

    written: int = 0
    problems: Mapping[str, int] = field(default_factory=dict)
    """Code -> lines that gave no label."""


def read_labels(source: LabelSource) -> LabelFile:
    """All of the file; raises NotFound, BadInput."""
    file = source.file or _own_table(source.rules)
    return LabelFile(parse_labels(file, source.rules), _home(file, source.rules.folder))


def label(
    act: Act, dataset: str, batch: BatchId, superseded: Sequence[str], file: LabelFile
) -> Labelled:
    """Writes the labels that are new or say something else; the others are left alone.

    A line that names a path labels that record; one that names a subject labels the
    subject's rows if the file is itself an added table, else every record of the subject.
    Several values for one record and column become one label holding the list of them.
    """
    problems = Counter(issue.problem.value for issue in file.labels.issues)
    desk = _Desk.open(act.lab, dataset, set(superseded))
    values: dict[tuple[Record, str], list[str]] = {}
    subjects = _subjects(act.lab, file.labels.rows)
    for row in file.labels.rows:
        found = desk.find(row, subjects, file.home)
        if isinstance(found, LabelProblem):
            problems[found.value] += 1
            continue
        for record in found:
            values.setdefault((record, row.schema), []).append(row.value)
    new = [
        desk.label(act.lab, batch, record, schema, value)
        for (record, schema), several in values.items()
        if (value := _one(several)) != desk.standing(record, schema)
    ]
    events = [act.event("label.added", one.body(act.lab.actor.role)) for one in new]
    for start in range(0, len(events), _TOGETHER):
        act.record(events[start : start + _TOGETHER])
    return Labelled(len(events), dict(problems))


@dataclass(slots=True)
class _Desk:
    """The dataset as the labelling sees it: records by path and subject, labels in force."""

    dataset: str
    keys: Mapping[bytes, bytes] = field(repr=False)
    by_path: dict[str, list[Record]] = field(repr=False)
    path_of: dict[str, str] = field(repr=False)
    by_subject: dict[str, list[Record]] = field(repr=False)
    in_force: Mapping[str, list[Label]] = field(repr=False)

    @classmethod
    def open(cls, lab: Lab, dataset: str, superseded: set[str]) -> _Desk:
        def query(tx: Transaction) -> tuple[list[Record], Mapping[str, list[Label]]]:
            latest = versions.latest(tx, dataset)
            current = records.of_version(tx, dataset, latest.number) if latest else []
            found = current + records.unfinished(tx, dataset)
            return found, rows.in_force(tx, dataset)

        found, in_force = lab.read(query)
        keys = open_keys(lab, [record.key for record in found])
        desk = cls(dataset, keys, {}, {}, {}, in_force)
        for record in found:
            labelable = record.kind != Kind.LAYOUT and record.record not in superseded
            if labelable and record.seal in keys:
                path = unseal_meta(record, keys[record.seal]).path
                desk.by_path.setdefault(path, []).append(record)
                desk.path_of[record.record] = path
                desk.by_subject.setdefault(record.subject, []).append(record)
        return desk

    def find(
        self, row: LabelRow, subjects: Mapping[Identity, SubjectId], home: str | None
    ) -> list[Record] | LabelProblem:
        """The records a line is about."""
        subject = subjects.get(row.subject) if row.subject else None
        if row.path is not None:
            found = self.by_path.get(row.path, [])
            if row.subject is not None:
                found = [record for record in found if record.subject == subject]
            return found or LabelProblem.UNKNOWN_PATH
        found = self.by_subject.get(subject, []) if subject else []
        at_home = [record for record in found if self.path_of[record.record] == home]
        return at_home or found or LabelProblem.UNKNOWN_SUBJECT

    def standing(self, record: Record, schema: str) -> str | None:
        """What the label in force says."""
        found = self._label(record, schema)
        return unseal_label(found, self.keys[record.seal]) if found else None

    def label(
        self, lab: Lab, batch: BatchId, record: Record, schema: str, value: str
    ) -> NewLabel:
        """A new label, superseding the one in force."""
        identity = LabelId.new(lab.randomness)
        opening = commit_to(value.encode(), lab.randomness)
        plain = canonical({"salt": to_text(opening.salt), "value": value})
        before = self._label(record, schema)
        return NewLabel(
            label=identity,
            record=record.record,
            dataset=self.dataset,
            batch=batch,
            schema=schema,
            value=seal_field(self.keys[record.seal], PURPOSE, plain, identity.encode()),
            commitment=opening.commitment(),
            supersedes=before.label if before else None,
        )

    def _label(self, record: Record, schema: str) -> Label | None:
        found = [one for one in self.in_force.get(record.record, ()) if one.schema == schema]
        return found[-1] if found else None


def _own_table(rules: LabelRules) -> Path:
    """The one added table with the label columns; raises BadInput for none or several."""
    assert rules.folder is not None
    tables = [p for suffix in SUFFIXES for p in sorted(rules.folder.rglob(f"*{suffix}"))]
    having = [path for path in tables if _has(path, rules.columns)]
    if len(having) != 1:
        raise BadInput(
            f"{len(having)} of the {len(tables)} tables in the folder have the label columns",
            hint="name the table with --labels",
        )
    return having[0]


def _has(table: Path, columns: Sequence[str]) -> bool:
    with table.open("rb") as stream:
        header = stream.readline(_LONGEST_HEADER).decode("utf-8-sig", "replace")
    names = {cell.strip().strip('"') for cell in re.split("[,;\t|]", header)}
    return names.issuperset(columns)


def _home(file: Path, folder: Path | None) -> str | None:
    """The file's own path in the dataset, if it lies in the folder that was added."""
    file = file.absolute()
    return str(file.relative_to(folder)) if folder and file.is_relative_to(folder) else None


def _subjects(lab: Lab, found: Sequence[LabelRow]) -> dict[Identity, SubjectId]:
    names = sorted({row.subject for row in found if row.subject is not None})
    pairs = [(name.issuer, name.local_id) for name in names]
    known = lab.keys.subjects(pairs, create=False) if pairs else []
    return {name: subject for name, subject in zip(names, known, strict=True) if subject}


def _one(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else canonical(list(values)).decode()

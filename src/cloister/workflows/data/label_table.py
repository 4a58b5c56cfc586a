"""The labels of a version, or of a part of it, as the table that a job is shown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cloister.biobank import Kind
from cloister.core.ids import SubjectId
from cloister.datasets.records import Record
from cloister.labels import rows
from cloister.workflows.data.materialise import View
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import unseal_label, unsealed

_KEYS = ("path", "subject")


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The labels in force when the version was made: CSV in UTF-8, opened when it is read.

    A line for each record that has a label, by its path below the folder of the data; a column
    for each question, empty where the record has no answer. ``subject`` is said for the rows of
    a table alone, which have one path. Labels of whoever was erased are not among them. Whoever
    reads it has put the read of the version on record. Raises Tampered.
    """

    lab: Lab = field(repr=False)
    view: View

    def __iter__(self) -> Iterator[bytes]:
        lines = self._lines()
        asked = sorted({schema for _, said in lines for schema in said})
        text = io.StringIO(newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow([*_KEYS, *(f"label:{one}" if one in _KEYS else one for one in asked)])
        for keys, said in sorted(lines, key=lambda line: line[0]):
            table.writerow([*keys, *(said.get(one, "") for one in asked)])
        yield text.getvalue().encode("utf-8", "surrogateescape")

    def _lines(self) -> list[tuple[tuple[str, str], dict[str, str]]]:
        """((path, subject), {question: answer}) of each record that has a label."""
        lab, version = self.lab, self.view.version
        labels = lab.read(lambda tx: rows.in_force(tx, version.dataset, version.place))
        having = [one for one in self.view.records if one.record in labels]
        names = self._names(having)
        return [
            (
                (one.meta.path, names.get(one.record.record, "")),
                {
                    each.schema: unseal_label(each, one.key)
                    for each in labels[one.record.record]
                },
            )
            for one in unsealed(lab, having)
        ]

    def _names(self, having: Sequence[Record]) -> dict[str, str]:
        """Rows of a table -> what it calls their patient."""
        tabled = {
            one.record: one.subject
            for one in having
            if one.kind == Kind.ROWS and isinstance(one.subject, SubjectId)
        }
        found = zip(tabled, self.lab.keys.identities([*tabled.values()]), strict=True)
        return {record: name[1] for record, name in found if name is not None}

"""What the checks look at: facts, labels and tables of one version; no storage, no keys."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from cloister.core.values import RecordFacts

MISSING = frozenset(
    ("", "na", "n/a", "nan", "null", "none", "?", "-", "--", ".", "unknown", "missing", "nil")
)
"""What stands for no value, in lower case."""


class LabelValue(NamedTuple):
    """A label in force."""

    record: str
    schema: str
    value: str
    reader: str


class TableRow(NamedTuple):
    """One row of a table, without its line end."""

    record: str
    subject: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table, put together from its patients' rows."""

    path: str = field(repr=False)
    columns: tuple[str, ...] = field(repr=False)
    subject_column: int = 0
    rows: tuple[TableRow, ...] = field(default=(), repr=False)
    header_shown: bool = True
    """Whether the names of columns may be shown: the first record is surely a header."""

    def name(self, column: int) -> str:
        """What to call a column in a finding."""
        return self.columns[column] if self.header_shown else f"column {column + 1}"

    def cells(self, column: int) -> Iterator[tuple[TableRow, str]]:
        """Each row and its cell in this column, white space around it removed."""
        for row in self.rows:
            if column < len(row.cells):
                yield row, row.cells[column].strip()


@dataclass(frozen=True)
class Material:
    """One version as the checks see it."""

    records: Sequence[RecordFacts] = ()
    labels: Sequence[LabelValue] = ()
    tables: Sequence[Table] = ()
    patient_of: Mapping[str, str] = field(default_factory=dict)
    """Subject -> the smallest pseudonym of the patient, through every link."""
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Split -> subject -> part, of the lab's own splits."""
    regrouped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Split -> subjects whose names it had dealt apart before they were linked."""
    known: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    """Token -> subjects, for tokens that are ids of the lab's own subjects."""
    set_aside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Code of the damage -> quarantined records."""
    label_problems: Mapping[str, int] = field(default_factory=dict)

    def patient(self, subject: str | None) -> str:
        """Whose it is, under one name for each person."""
        return self.patient_of.get(subject or "", subject or "")

    @cached_property
    def facts_of(self) -> Mapping[str, RecordFacts]:
        """Record -> its facts."""
        return {one.record: one for one in self.records}

    @cached_property
    def schemas(self) -> Mapping[str, Mapping[str, str]]:
        """Label schema -> record -> value, of records whose readings agree on one."""
        found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for label in self.labels:
            found[label.schema][label.record] |= readings(label.value)
        return {
            schema: {record: next(iter(v)) for record, v in values.items() if len(v) == 1}
            for schema, values in found.items()
        }

    @cached_property
    def images(self) -> Sequence[RecordFacts]:
        """Records that were decoded as images."""
        return [one for one in self.records if "pixels" in one.facts]


def readings(text: str) -> set[str]:
    """The value of a label, or the several that lines of a file gave for one record."""
    if text.startswith("["):
        try:
            several = json.loads(text)
        except ValueError:
            return {text.strip()}
        if isinstance(several, list):
            return {str(value).strip() for value in several}
    return {text.strip()}


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return text.strip().lower() in MISSING


def number(text: str) -> float | None:
    """The number in a cell; a decimal comma counts, infinities and NaN do not."""
    try:
        value = float(text)
    except ValueError:
        try:
            value = float(text.replace(",", ".", 1)) if text.count(",") == 1 else float("nan")
        except ValueError:
            return None
    return value if value - value == 0 else None

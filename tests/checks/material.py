"""Small materials, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloister.checks import Finding, LabelValue, Material, Table, TableRow
from cloister.core.values import RecordFacts


def record(name: str, subject: str = "sub_a", kind: str = "file", **facts: str) -> RecordFacts:
    return RecordFacts(name, subject, kind, 100, facts)


def label(name: str, value: str, schema: str = "grade") -> LabelValue:
    return LabelValue(name, schema, value, "per_a")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """The first column is the patient; every row is a record of its own."""
    found = [TableRow(f"rec_{n}", f"sub_{row[0]}", tuple(row)) for n, row in enumerate(rows)]
    return Table("t.csv", tuple(columns), 0, tuple(found))


def with_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    labels: Mapping[str, str] | None = None,
) -> Material:
    """A material of one table; ``labels``: record -> value of the label ``y``."""
    held = table(columns, rows)
    return Material(
        records=[record(row.record, row.subject, "rows", path="t.csv") for row in held.rows],
        tables=[held],
        labels=[label(name, value, "y") for name, value in (labels or {}).items()],
    )


def codes(findings: Sequence[Finding]) -> dict[str, set[str]]:
    """Code -> records."""
    found: dict[str, set[str]] = {}
    for one in findings:
        found.setdefault(one.code, set()).update(one.records)
    return found

"""A patient in more than one part: by the lab's splits, by folders, by a column."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from cloister.checks.findings import Finding, finding
from cloister.checks.material import Material

_FOLDER = re.compile(
    r"(?i)^(?:(train)(?:ing)?|(val)(?:id|idation)?|dev|(test)(?:ing)?|holdout|fold[_-]?(\d+))$"
)
_COLUMN = re.compile(r"(?i)^(?:split|subset|set|partition|fold|phase|part)$")
_MOST_PARTS = 20


def patients_in_parts(material: Material) -> Iterator[Finding]:
    """Patients whose records, or whose linked names, lie in two parts."""
    subject_of = {one.record: one.subject for one in material.records}
    for split, part_of in parts_of(material).items():
        met: dict[str, set[str]] = defaultdict(set)
        mine: dict[str, list[str]] = defaultdict(list)
        for record, part in part_of.items():
            patient = material.patient(subject_of.get(record))
            met[patient].update(part.split("\0"))
            mine[patient].append(record)
        torn = [patient for patient, parts in met.items() if len(parts) > 1]
        if torn:
            records = [record for patient in torn for record in mine[patient]]
            yield finding("D301", records, count=len(torn), where=split)
    for split, subjects in material.regrouped.items():
        records = [one.record for one in material.records if one.subject in set(subjects)]
        yield finding("D302", records, count=len(subjects), where=split)


def parts_of(material: Material) -> Mapping[str, Mapping[str, str]]:
    """Split -> record -> part; a patient's rows in two parts have both, with NUL between."""
    found: dict[str, dict[str, str]] = {}
    for split, part_of in material.parts.items():
        found[split] = {
            one.record: part_of[one.subject]
            for one in material.records
            if one.subject is not None and one.subject in part_of
        }
    if folders := _by_folder(material):
        found["folders"] = folders
    for schema, values in material.schemas.items():
        if _COLUMN.match(schema) and len(set(values.values())) <= _MOST_PARTS:
            found[f"label {schema}"] = dict(values)
    for table in material.tables:
        for place, name in enumerate(table.columns):
            if _COLUMN.match(name) and place != table.subject_column:
                parts: dict[str, set[str]] = defaultdict(set)
                for row, cell in table.cells(place):
                    parts[row.record].add(cell)
                if 1 < len(set().union(*parts.values())) <= _MOST_PARTS:
                    found[f"column {table.name(place)}"] = {
                        record: "\0".join(sorted(cells)) for record, cells in parts.items()
                    }
    return found


def _by_folder(material: Material) -> dict[str, str]:
    """Record -> train, val, test or a fold, for records in folders of such names."""
    found: dict[str, str] = {}
    for one in material.records:
        for folder in one.facts.get("path", "").split("/")[:-1]:
            if match := _FOLDER.match(folder):
                word = next((group for group in match.groups() if group), match[0])
                found[one.record] = word.lower()
                break
    return found if len(set(found.values())) > 1 else {}

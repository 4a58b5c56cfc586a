"""Classes and subgroups: which are rare, and which hang together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from cloister.checks.findings import Finding, finding
from cloister.checks.groups import SUBGROUP, association
from cloister.checks.labelling import slips
from cloister.checks.material import Material, is_missing, number

_MOST_CLASSES = 30
_RARE_RATIO = 10
_RARE_SHARE = 0.05
_ENOUGH = 30
_STRONG, _SURE = 0.3, 5.0


def balance(material: Material) -> Iterator[Finding]:
    """Rare classes, rare subgroups, classes spread unevenly over subgroups."""
    classes = dict(_classes(material))
    groups = dict(_subgroups(material))
    for schema, of in classes.items():
        counts = Counter(of.values())
        for slip in slips(counts):  # told as such, and no class of its own
            del counts[slip]
        most = max(counts.values())
        rare = {value for value, often in counts.items() if often * _RARE_RATIO < most}
        if rare:
            records = [record for record, value in of.items() if value in rare]
            yield finding("D901", records, count=len(rare), where=schema)
    for name, of in groups.items():
        counts = Counter(of.values())
        total = sum(counts.values())
        rare = {value for value, often in counts.items() if often < _RARE_SHARE * total}
        if total >= _ENOUGH and len(counts) > 1 and rare:
            records = [record for record, value in of.items() if value in rare]
            yield finding("D902", records, count=len(rare), where=name)
        for schema, labels in classes.items():
            pairs = [(of[record], value) for record, value in labels.items() if record in of]
            if len(pairs) >= _ENOUGH and schema != name:
                strength, sure = association(pairs)
                if strength >= _STRONG and sure > _SURE:
                    yield finding("D903", (), count=len(counts), where=f"{schema} by {name}")


def _classes(material: Material) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Labels that name classes: few values, each met again."""
    for schema, values in material.schemas.items():
        held = {r: value for r, value in values.items() if not is_missing(value)}
        counts = Counter(held.values())
        numeric = sum(number(value) is not None for value in counts) > 0.5 * len(counts)
        most = _MOST_CLASSES // 3 if numeric else _MOST_CLASSES
        if len(held) >= _ENOUGH and 1 < len(counts) <= most:
            yield schema, held


def _subgroups(material: Material) -> Iterator[tuple[str, Mapping[str, str]]]:
    for table in material.tables:
        for place, name in enumerate(table.columns):
            if SUBGROUP.match(name) and place != table.subject_column:
                held = {
                    row.record: cell for row, cell in table.cells(place) if not is_missing(cell)
                }
                if 1 < len(set(held.values())) <= _MOST_CLASSES:
                    yield table.name(place), held
    for fact in ("sex", "site"):
        held = {one.record: one.facts[fact] for one in material.records if one.facts.get(fact)}
        if 1 < len(set(held.values())) <= _MOST_CLASSES:
            yield fact, held

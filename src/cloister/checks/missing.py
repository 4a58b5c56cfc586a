"""Missing values: where they are missing more in one group than in the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from cloister.checks.findings import Finding, finding
from cloister.checks.groups import groupings
from cloister.checks.material import Material, Table, is_missing

_MOSTLY_EMPTY = 0.5
_SURE = 5.0
"""Standard deviations between two shares; one in a million columns gets there by chance."""
_LEAST_SHARE = 0.1
_LEAST_GROUP = 10


def missing(material: Material) -> Iterator[Finding]:
    """Columns that are mostly empty, or empty by group."""
    for table in material.tables:
        for place in range(len(table.columns)):
            if place != table.subject_column:
                yield from _column(material, table, place)


def _column(material: Material, table: Table, place: int) -> Iterator[Finding]:
    gaps = {n for n, (_, cell) in enumerate(table.cells(place)) if is_missing(cell)}
    if not gaps:
        return
    rows = [row for row, _ in table.cells(place)]
    if len(gaps) > _MOSTLY_EMPTY * len(rows):
        records = [rows[n].record for n in sorted(gaps)]
        yield finding("D602", records, count=len(gaps), where=table.name(place))
    for name, groups in groupings(material, table, rows):
        if name != table.name(place) and (group := _worst(groups, gaps)) is not None:
            records = [rows[n].record for n in sorted(gaps) if groups.get(n) == group]
            where = table.name(place)
            yield finding("D601", records, count=len(records), where=where, detail=f"by {name}")
            return


def _worst(groups: Mapping[int, str], gaps: set[int]) -> str | None:
    """The group that lacks far more than the rest."""
    sizes = Counter(groups.values())
    lacking = Counter(group for n, group in groups.items() if n in gaps)
    everyone, empty = sum(sizes.values()), sum(lacking.values())
    found: list[tuple[float, str]] = []
    for group, size in sizes.items():
        rest = everyone - size
        if size < _LEAST_GROUP or rest < _LEAST_GROUP:
            continue
        here, there = lacking[group] / size, (empty - lacking[group]) / rest
        pooled = empty / everyone
        error = math.sqrt(pooled * (1 - pooled) * (1 / size + 1 / rest))
        if error and here - there >= _LEAST_SHARE and (here - there) / error > _SURE:
            found.append(((here - there) / error, group))
    return max(found)[1] if found else None

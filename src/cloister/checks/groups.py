"""Groups of records and rows: site, device, sex, label; and how they hang together."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cloister.checks.material import Material, Table, TableRow, is_missing, number

SITE = re.compile(
    r"(?i)\b(?:site|hospital|cent(?:er|re)|clinic|institution|scanner|device|manufacturer|"
    r"vendor|machine|station|operator|batch|ward|department|lab|kvp|protocol)"
)
SUBGROUP = re.compile(r"(?i)^(?:sex|gender|race|ethnicity|age_?(?:group|band)|site|hospital)$")
SITE_FACTS = ("site", "device", "station", "Modality", "PhotometricInterpretation", "format")
MOST_GROUPS = 12
_LEAST = 10


class Unit(NamedTuple):
    """A record or patient: what is known of it without its data, and its label."""

    patient: str
    features: Mapping[str, str]
    label: str


def groupings(
    material: Material, table: Table, rows: Sequence[TableRow]
) -> Iterator[tuple[str, Mapping[int, str]]]:
    """(name, row -> group) for columns and labels of few values; numbers in quarters."""
    for place in range(len(table.columns)):
        if place != table.subject_column:
            cells = [cell for _, cell in table.cells(place)]
            if len(cells) == len(rows) and (groups := as_groups(cells)):
                yield table.name(place), groups
    for schema, values in material.schemas.items():
        if schema not in table.columns:
            cells = [values.get(row.record, "") for row in rows]
            if groups := as_groups(cells):
                yield schema, groups


def as_groups(cells: Sequence[str]) -> dict[int, str]:
    """Place -> group; empty where the cells form none of a useful size."""
    held = {n: cell for n, cell in enumerate(cells) if not is_missing(cell)}
    counts = Counter(held.values())
    if len(counts) > MOST_GROUPS:
        numbers = {n: value for n, cell in held.items() if (value := number(cell)) is not None}
        if len(numbers) < 0.9 * len(held) or len(numbers) < 4 * _LEAST:
            return {}
        ranked = sorted(numbers, key=lambda n: numbers[n])
        bounds = [numbers[ranked[len(ranked) * q // 4]] for q in (1, 2, 3)]
        return {n: f"quarter {sum(v >= b for b in bounds) + 1}" for n, v in numbers.items()}
    useful = {value for value, often in counts.items() if often >= _LEAST}
    return {n: cell for n, cell in held.items() if cell in useful} if len(useful) > 1 else {}


def association(pairs: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Cramer's V of two groupings, and the deviations by which chi-square exceeds chance."""
    rows, columns = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    freedom = (len(rows) - 1) * (len(columns) - 1)
    if not freedom:
        return 0.0, 0.0
    joint, total = Counter(pairs), len(pairs)
    chi = 0.0
    for a, in_row in rows.items():
        for b, in_column in columns.items():
            expected = in_row * in_column / total
            chi += (joint[a, b] - expected) ** 2 / expected
    strength = math.sqrt(chi / total / min(len(rows) - 1, len(columns) - 1))
    return strength, (chi - freedom) / math.sqrt(2 * freedom)

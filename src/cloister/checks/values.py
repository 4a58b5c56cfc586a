"""Values of columns: wrong type, implausible, in two units."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from cloister.checks.findings import Finding, finding
from cloister.checks.material import Material, Table, is_missing, number

_ENOUGH = 20
_MOSTLY = 0.9
_FAR = 8.0
"""In units of the median deviation, scaled to a standard deviation: far beyond any tail."""
_FAR_RATIO = 5.0
_PLAUSIBLE = (
    (r"age(_?years?|_?yrs?)?", 0, 120),
    (r"bmi|body_?mass_?index", 8, 100),
    (r"weight(_?kg)?", 0.2, 500),
    (r"height_?cm", 20, 260),
    (r"(body_?)?temp(erature)?(_?c)?", 20, 110),
    (r"(sbp|dbp|systolic|diastolic)(_?bp|_?mmhg)?|blood_?pressure", 10, 320),
    (r"heart_?rate|pulse|bpm", 10, 350),
    (r"spo2|sao2|oxygen_?saturation", 20, 100),
    (r"ph", 6.0, 8.5),
)
"""(name of a column, least, most): what a living person can have."""
_FACTORS = (2.2046, 2.54, 7.5006, 10, 18.016, 38.67, 88.4, 100, 1000)
"""lb/kg, inch/cm, mmHg/kPa, mm/cm, mg/dL per mmol/L of glucose, cholesterol, creatinine..."""
_LEAST_GROUP, _DISTINCT = 5, 12
_GAP = 0.15
"""Of logarithms: a sixth."""
_LARGE_FACTOR = 5


@dataclass(frozen=True, slots=True)
class Column:
    """One column's cells that hold something."""

    name: str
    records: Sequence[str]
    texts: Sequence[str]


def values(material: Material) -> Iterator[Finding]:
    """Implausible values in the columns of tables and among labels that are numbers."""
    for column in columns(material):
        yield from _column(column)


def columns(material: Material) -> Iterator[Column]:
    """Every column but the patient's; labels count where no table has them."""
    told: set[str] = set()
    for table in material.tables:
        for place in range(len(table.columns)):
            if place != table.subject_column:
                told.add(table.columns[place])
                yield _of_table(table, place)
    for schema, by_record in material.schemas.items():
        if schema not in told:
            held = {r: value for r, value in by_record.items() if not is_missing(value)}
            yield Column(schema, list(held), list(held.values()))


def _of_table(table: Table, place: int) -> Column:
    held = [(row.record, cell) for row, cell in table.cells(place) if not is_missing(cell)]
    return Column(table.name(place), [r for r, _ in held], [cell for _, cell in held])


def _column(column: Column) -> Iterator[Finding]:
    found = [number(text) for text in column.texts]
    good = [
        (record, value)
        for record, value in zip(column.records, found, strict=True)
        if value is not None
    ]
    if len(good) < _ENOUGH or len(good) < _MOSTLY * len(found):
        return
    odd = [r for r, value in zip(column.records, found, strict=True) if value is None]
    if odd:
        yield finding("D501", odd, count=len(odd), where=column.name)
    records, numbers = [r for r, _ in good], [value for _, value in good]
    in_units = two_units(numbers)
    if in_units:
        other = [records[place] for place in in_units]
        yield finding("D503", other, count=len(other), where=column.name)
    wild = implausible(column.name, numbers) - set(in_units)
    if wild:
        yield finding(
            "D502", [records[p] for p in sorted(wild)], count=len(wild), where=column.name
        )


def implausible(name: str, numbers: Sequence[float]) -> set[int]:
    """Places of values that no person can have, or far outside all others."""
    found = set(_impossible(name, numbers))
    middle, spread = _middle(numbers)
    if spread == 0:
        return found
    positive = sum(value > 0 for value in numbers) >= 0.98 * len(numbers)
    logs = [math.log(value) for value in numbers if value > 0] if positive else []
    log_middle, log_spread = _middle(logs) if positive else (0.0, 0.0)
    for place, value in enumerate(numbers):
        distance = abs(value - middle) / spread
        if positive and value <= 0:
            # A code for "not known" among positive values: -1, 0, -99.
            if value < 0 or (log_spread > 0 and min(v for v in numbers if v > 0) > spread):
                found.add(place)
        elif positive and log_spread > 0:
            # Skewed columns are wide on one scale only: far on both is far.
            far = abs(math.log(value) - log_middle) / log_spread
            if (distance > _FAR and far > _FAR_RATIO) or (distance > 5 and far > 15):
                found.add(place)
        elif distance > 1.5 * _FAR:
            found.add(place)
    return found


def _impossible(name: str, numbers: Sequence[float]) -> Iterator[int]:
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    for pattern, least, most in _PLAUSIBLE:
        if re.fullmatch(pattern, plain):
            inside = sum(least <= value <= most for value in numbers)
            if inside >= 0.5 * len(numbers):  # else the name means something else here
                yield from (p for p, v in enumerate(numbers) if not least <= v <= most)
            return


def _middle(numbers: Sequence[float]) -> tuple[float, float]:
    """Median, and the median deviation scaled to a standard deviation."""
    middle = median(numbers)
    return middle, 1.4826 * median(abs(value - middle) for value in numbers)


def two_units(numbers: Sequence[float]) -> list[int]:
    """Places of the smaller of two groups that a known factor, or C to F, makes one.

    The groups must lie apart: kilograms among pounds of grown people do not, and are not seen.
    """
    order = sorted((p for p, v in enumerate(numbers) if v > 0), key=lambda p: numbers[p])
    if len(order) < 0.98 * len(numbers):
        return []
    cut = _widest_gap([math.log(numbers[place]) for place in order])
    if cut is None:
        return []
    low, high = [numbers[p] for p in order[:cut]], [numbers[p] for p in order[cut:]]
    if not _one_in_two_units(low, high):
        return []
    return order[:cut] if len(low) < len(high) else order[cut:]


def _widest_gap(logs: Sequence[float]) -> int | None:
    """Where the sorted values fall apart in two; None where they do not, plainly."""
    gaps = sorted((b - a, place + 1) for place, (a, b) in enumerate(pairwise(logs)) if b > a)
    if len(gaps) < _DISTINCT:
        return None  # a scale of few steps has gaps everywhere
    widest, cut = gaps[-1]
    if min(cut, len(logs) - cut) < _LEAST_GROUP or widest < max(_GAP, 2 * gaps[-2][0]):
        return None
    return cut


def _one_in_two_units(low: Sequence[float], high: Sequence[float]) -> bool:
    a, b, fewer = median(low), median(high), min(len(low), len(high))
    tolerance = min(0.3, 0.08 + 0.5 / math.sqrt(fewer))
    for factor in _FACTORS:
        near = tolerance if factor > _LARGE_FACTOR else min(tolerance, 0.12)
        if abs(math.log(b / a / factor)) < near and _overlap(low, high, factor):
            return True
    celsius = [(value - 32) / 1.8 for value in high]
    return 30 < a < 45 and abs(median(celsius) - a) < 2


def _overlap(low: Sequence[float], high: Sequence[float], factor: float) -> bool:
    """Whether the smaller group, brought to the other's unit, lies within the larger."""
    small, large = (low, high) if len(low) < len(high) else (high, low)
    scale = factor if small is low else 1 / factor
    least, most = min(large) * 0.9, max(large) * 1.1
    inside = sum(least <= value * scale <= most for value in small)
    # A column that spans more than the factor by itself has tails that look like a unit.
    ranked, rim = sorted(large), len(large) // 20
    narrow = ranked[-1 - rim] < factor**0.6 * ranked[rim]
    return narrow and inside >= 0.9 * len(small)

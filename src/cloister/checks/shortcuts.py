"""Whether a label can be told without looking at the data: from site, device or file name.

A naive Bayes classifier on those alone, cross-validated by patient, against the same with the
labels dealt out anew two hundred times (Ojala and Garriga, JMLR 11, 2010).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from cloister.checks.findings import Finding, finding
from cloister.checks.groups import SITE, SITE_FACTS, Unit
from cloister.checks.material import Material, is_missing, number

_PERMUTATIONS = 200
_FOLDS = 5
_LEAST = 24
_LEAST_CLASS = 5
_MOST_CLASSES = 10
_MOST_UNITS = 4000
_ABOVE_CHANCE = 0.12
"""Of balanced accuracy; less is of no use to a model, whatever its significance."""


def shortcuts(material: Material) -> Iterator[Finding]:
    """Labels that site and device, or names of files, give away."""
    sites, names = _site_features(material), _name_features(material)
    for schema in material.schemas:
        if not SITE.search(schema):
            for code, features in (("D801", sites), ("D802", names)):
                yield from _judged(material, schema, code, features)


def _judged(
    material: Material, schema: str, code: str, features: Mapping[str, Mapping[str, str]]
) -> Iterator[Finding]:
    units = _units(material, schema, features)
    if len(units) < _LEAST:
        return
    try:
        import numpy  # noqa: F401, ICN001 - only asked whether it is there
    except ImportError:
        return
    from cloister.checks.guessing import judge

    verdict = judge(units, folds=_FOLDS, permutations=_PERMUTATIONS)
    chance = 1 / len({unit.label for unit in units})
    if verdict.score > verdict.by_chance and verdict.score >= chance + _ABOVE_CHANCE:
        yield finding(
            code,
            (),
            count=len(units),
            where=schema,
            detail=f"balanced accuracy {verdict.score:.2f}, by chance {chance:.2f},"
            f" at most {verdict.by_chance:.2f} in {_PERMUTATIONS} permutations",
        )


def _units(
    material: Material, schema: str, features: Mapping[str, Mapping[str, str]]
) -> list[Unit]:
    """One for each record with a label, or for each patient where all of theirs agree."""
    labels = _classes(material.schemas[schema])
    subject_of = {one.record: one.subject for one in material.records}
    found: list[Unit] = []
    for record, label in labels.items():
        known = {n: v for n, v in features.get(record, {}).items() if n != schema}
        if known:
            found.append(Unit(material.patient(subject_of.get(record)), known, label))
    if len({(unit.patient, unit.label) for unit in found}) == len({u.patient for u in found}):
        found = list({u.patient: u for u in found}.values())
    enough = {
        value for value, n in Counter(u.label for u in found).items() if n >= _LEAST_CLASS
    }
    found = [unit for unit in found if unit.label in enough]
    step = max(1, len(found) // _MOST_UNITS)
    return found[::step] if len(enough) > 1 else []


def _classes(values: Mapping[str, str]) -> dict[str, str]:
    """Classes as they are; many numbers in thirds."""
    held = {record: value for record, value in values.items() if not is_missing(value)}
    if len(set(held.values())) <= _MOST_CLASSES:
        return held
    numbers = {r: value for r, text in held.items() if (value := number(text)) is not None}
    if len(numbers) < 0.9 * len(held):
        return {}
    ranked = sorted(numbers.values())
    low, high = ranked[len(ranked) // 3], ranked[2 * len(ranked) // 3]
    return {r: "low" if v < low else "high" if v >= high else "mid" for r, v in numbers.items()}


def _site_features(material: Material) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for one in material.records:
        for fact in SITE_FACTS:
            if one.facts.get(fact):
                found[one.record][fact] = one.facts[fact]
        if "width" in one.facts:
            found[one.record]["size"] = f"{one.facts['width']}x{one.facts['height']}"
    for table in material.tables:
        for place, name in enumerate(table.columns):
            if SITE.search(name.replace("_", " ")) and place != table.subject_column:
                for row, cell in table.cells(place):
                    found[row.record][name] = cell
    return found


def _name_features(material: Material) -> Mapping[str, Mapping[str, str]]:
    """Folders, words and the length of a file's name; whatever all share tells nothing."""
    found: dict[str, dict[str, str]] = {}
    for one in material.records:
        path = one.facts.get("path", "")
        if one.kind in {"rows", "layout"} or not path:
            continue
        *folders, name = path.split("/")
        words = re.findall(r"[^\W\d_]+", name)
        known = {f"folder {depth}": folder for depth, folder in enumerate(folders)}
        known |= {f"word {place}": word for place, word in enumerate(words[:6])}
        known |= {"digits": str(sum(map(str.isdigit, name)))}
        found[one.record] = known
    return found if _varied(found.values()) else {}


def _varied(known: Iterable[Mapping[str, str]]) -> bool:
    return len({tuple(sorted(k.items())) for k in known}) > 1

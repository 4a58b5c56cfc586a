"""Files and pixels: damaged, undecodable, blank, unlike their series, not looked into."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from cloister.checks.findings import Finding, finding
from cloister.checks.material import Material
from cloister.core.values import RecordFacts

_DAMAGE = frozenset(
    (
        *("unreadable", "changing", "link-broken", "table-malformed", "table-nul"),
        *("ragged-row", "not-dicom", "dicom-truncated", "dicom-pixels", "dicom-malformed"),
        *("dicom-too-large", "image-truncated", "image-malformed", "not-an-image"),
    )
)
"""Codes of quarantine that say a file is broken, not that nobody knows whose it is."""
_LOOKS = {
    "undecodable": "D102",
    "crashed": "D102",
    "endless": "D102",
    "too-large": "D106",
    "no-library": "D106",
}
_SERIES = 4
"""A series of fewer images has no usual size."""


def pixels(material: Material) -> Iterator[Finding]:
    """What is wrong with files and images by themselves."""
    for code, records in sorted(material.set_aside.items()):
        if code in _DAMAGE:
            yield finding("D101", records, where=code)
    looks: dict[str, list[str]] = defaultdict(list)
    for one in material.records:
        looks[one.facts.get("look", "")].append(one.record)
    for look, code in _LOOKS.items():
        if looks[look]:
            yield finding(code, looks[look], where=look)
    for fact, code in (("blank", "D103"), ("beyond", "D105")):
        if marked := [one.record for one in material.images if one.facts.get(fact)]:
            yield finding(code, marked)
    if odd := list(_odd(material)):
        yield finding("D104", odd)


def _odd(material: Material) -> Iterator[str]:
    """Images whose size or depth few others of their series share."""
    series: dict[str, list[RecordFacts]] = defaultdict(list)
    for one in material.images:
        if uid := one.facts.get("SeriesInstanceUID"):
            series[uid].append(one)
    for members in series.values():
        if len(members) < _SERIES:
            continue
        shapes = Counter(map(_shape, members))
        usual, often = shapes.most_common(1)[0]
        if often * 4 >= len(members) * 3:
            yield from (one.record for one in members if _shape(one) != usual)


def _shape(one: RecordFacts) -> tuple[str, ...]:
    facts = one.facts
    return tuple(facts.get(name, "") for name in ("width", "height", "bits", "channels"))

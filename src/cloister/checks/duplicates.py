"""The same thing twice: bytes, pixels, nearly the same pixels, rows; and where that leaks."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from cloister.checks.findings import Finding, finding
from cloister.checks.material import Material, Table, TableRow, is_missing
from cloister.checks.near import Groups, near_pairs
from cloister.checks.parts import parts_of
from cloister.core.values import RecordFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector: TypeAlias = "NDArray[np.float64]"

_NEAR_BITS = 6
_ALIKE = 0.97
"""Correlation of two 16 x 16 thumbnails that are taken for one image."""
_TIE = 1e-4
_TELLING_CELLS = 4
"""Rows with fewer values than this may be equal by chance."""


def duplicates(material: Material) -> Iterator[Finding]:
    """Equal and nearly equal records, within and across patients; equal rows of tables."""
    exact = list(_exact(material.records))
    near = list(_near(material, exact))
    yield from _by_patient(material, exact, "D201", "D202")
    yield from _by_patient(material, near, "D203", "D204")
    for table in material.tables:
        yield from _rows(material, table)
    yield from _across_parts(material, exact + near)
    yield from _labelled_differently(material, exact)


Group = Sequence[RecordFacts]


def _exact(records: Iterable[RecordFacts]) -> Iterator[Group]:
    """Records of equal pixels, or of equal bytes where there are none; blank ones apart."""
    found: dict[str, list[RecordFacts]] = defaultdict(list)
    for one in records:
        facts = one.facts
        if facts.get("blank") or one.kind in {"rows", "layout"} or not one.size_bytes:
            continue
        mark = facts.get("pixels") or facts.get("sha256")
        if mark:
            found[mark].append(one)
    return (group for group in found.values() if len(group) > 1)


def _near(material: Material, exact: Iterable[Group]) -> Iterator[Group]:
    """Groups of images that look alike but are not equal.

    Neighbouring slices of one series always do, so one series is never compared with itself.
    """
    images = [one for one in material.images if "phash" in one.facts]
    if len(images) < 2:
        return
    groups = Groups(len(images))
    same = {frozenset(one.record for one in group) for group in exact}
    for a, b in _closest(material, images, _alike(material, images), same):
        groups.join(a, b)
    for members in groups.groups():
        group = [images[place] for place in members]
        if frozenset(one.record for one in group) not in same:
            yield group


def _alike(
    material: Material, images: Sequence[RecordFacts]
) -> Iterator[tuple[int, int, float]]:
    """Pairs of near hashes whose thumbnails confirm it, and how much they do."""
    import numpy as np

    hashes = np.array([int(one.facts["phash"], 16) for one in images], dtype=np.uint64)
    thumbs: dict[int, Vector | None] = {}
    for a, b in near_pairs(hashes, _NEAR_BITS):
        if _may_look_alike(material, images[a], images[b]):
            continue
        for place in (a, b):
            if place not in thumbs:
                thumbs[place] = _thumb(images[place].facts.get("thumb", ""))
        one, other = thumbs[a], thumbs[b]
        if one is not None and other is not None and (likeness := float(one @ other)) >= _ALIKE:
            yield a, b, likeness


def _closest(
    material: Material,
    images: Sequence[RecordFacts],
    pairs: Iterable[tuple[int, int, float]],
    same: Iterable[frozenset[str]],
) -> list[tuple[int, int]]:
    """Pairs that are each other's best between two patients.

    The neighbours of a slice look like its copy too, but less than the slice itself.
    """
    found = list(pairs)
    best: dict[tuple[int, str], float] = defaultdict(float)
    patients = [material.patient(one.subject) for one in images]
    places = {one.record: place for place, one in enumerate(images)}
    for group in same:  # an equal image is closer than any that looks like it
        members = [places[record] for record in group if record in places]
        owners = {patients[place] for place in members}
        best |= {(a, owner): 1.0 for a in members for owner in owners if owner != patients[a]}
    for a, b, likeness in found:
        best[a, patients[b]] = max(best[a, patients[b]], likeness)
        best[b, patients[a]] = max(best[b, patients[a]], likeness)
    return [
        (a, b)
        for a, b, likeness in found
        if likeness >= max(best[a, patients[b]], best[b, patients[a]]) - _TIE
    ]


def _may_look_alike(material: Material, one: RecordFacts, other: RecordFacts) -> bool:
    if one.facts["pixels"] == other.facts["pixels"]:
        return True  # told as equal
    same_patient = material.patient(one.subject) == material.patient(other.subject)
    scans = "dicom" in {one.kind, other.kind}
    series = one.facts.get("SeriesInstanceUID")
    return (same_patient and scans) or (
        series is not None and series == other.facts.get("SeriesInstanceUID")
    )


def _thumb(text: str) -> Vector | None:
    """A thumbnail as a vector of length one around its mean; None when it is flat."""
    import numpy as np

    vector = np.frombuffer(base64.b64decode(text), dtype=np.uint8).astype(np.float64)
    if not vector.size:
        return None
    vector -= vector.mean()
    length = float(np.sqrt(vector @ vector))
    return vector / length if length > 0 else None


def _by_patient(
    material: Material, groups: Iterable[Group], within: str, across: str
) -> Iterator[Finding]:
    """Each group told once: under two patients if it is so, else within one."""
    mine: list[str] = []
    theirs: list[str] = []
    for group in groups:
        patients = {material.patient(one.subject) for one in group}
        (theirs if len(patients) > 1 else mine).extend(one.record for one in group)
    for code, records in ((within, mine), (across, theirs)):
        if records:
            yield finding(code, records)


def _across_parts(material: Material, groups: Iterable[Group]) -> Iterator[Finding]:
    dealt = parts_of(material)
    for split, part_of in dealt.items():
        leaking = [
            one.record
            for group in groups
            if len({material.patient(one.subject) for one in group}) > 1
            and len({part_of[one.record] for one in group if one.record in part_of}) > 1
            for one in group
        ]
        if leaking:
            yield finding("D303", leaking, where=split)


def _labelled_differently(material: Material, groups: Iterable[Group]) -> Iterator[Finding]:
    for schema, values in material.schemas.items():
        torn: list[str] = []
        for group in groups:
            if len({values[one.record] for one in group if one.record in values}) > 1:
                torn += [one.record for one in group]
        if torn:
            yield finding("D402", torn, where=schema)


def _rows(material: Material, table: Table) -> Iterator[Finding]:
    """Rows with equal cells but for the patient's id."""
    found: dict[tuple[str, ...], list[TableRow]] = defaultdict(list)
    key = table.subject_column
    for row in table.rows:
        cells = tuple(cell.strip() for cell in row.cells[:key] + row.cells[key + 1 :])
        if sum(not is_missing(cell) for cell in cells) >= _TELLING_CELLS:
            found[cells].append(row)
    mine: list[TableRow] = []
    theirs: list[TableRow] = []
    for rows in found.values():
        if len(rows) > 1:
            patients = {material.patient(row.subject) for row in rows}
            (theirs if len(patients) > 1 else mine).extend(rows)
    for code, rows in (("D206", mine), ("D205", theirs)):
        if rows:
            yield finding(code, [row.record for row in rows], count=len(rows))
    yield from _rows_labelled_differently(material, table, found)


def _rows_labelled_differently(
    material: Material, table: Table, found: Mapping[tuple[str, ...], Sequence[TableRow]]
) -> Iterator[Finding]:
    """Rows equal in all but the label, where the label is a column of the table."""
    labels = [place for place, name in enumerate(table.columns) if name in material.schemas]
    for place in labels:
        if place == table.subject_column:
            continue
        at = place - (place > table.subject_column)
        by_rest: dict[tuple[str, ...], dict[str, list[str]]] = defaultdict(dict)
        for cells, rows in found.items():
            rest = cells[:at] + cells[at + 1 :]
            if sum(not is_missing(cell) for cell in rest) >= _TELLING_CELLS:
                by_rest[rest].setdefault(cells[at], []).extend(row.record for row in rows)
        torn = [
            r
            for values in by_rest.values()
            if len(values) > 1
            for v in values.values()
            for r in v
        ]
        if torn:
            yield finding("D402", torn, where=table.name(place))

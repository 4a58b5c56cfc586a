"""Ids of the lab's own patients where they should not be, and text burned into images.

Which tokens are ids is asked of the key service beforehand; here they are matched to records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from cloister.checks.findings import Finding, finding
from cloister.checks.material import Material
from cloister.core.tokens import candidates
from cloister.core.values import RecordFacts

_OF_TEXT = ("words", "ocr")
_READABLE = 4
"""Letters and digits of recognised text that are taken for text, not noise."""


def identifiers(material: Material) -> Iterator[Finding]:
    """Ids of others, the patient's own in text, headers and file names; burned-in text."""
    if material.known:
        yield from _ids(material)
    burned = [
        r.record for r in material.records if int(r.facts.get("ocr_letters") or 0) >= _READABLE
    ]
    if burned:
        yield finding("D704", burned)
    said = [r.record for r in material.records if r.facts.get("BurnedInAnnotation") == "YES"]
    if said:
        yield finding("D705", said)
    unread = [r.record for r in material.images if "ocr" not in r.facts]
    if unread:
        yield finding("D706", (), count=len(unread))


def _ids(material: Material) -> Iterator[Finding]:
    others: dict[str, list[str]] = defaultdict(list)
    own: dict[str, list[str]] = defaultdict(list)
    for record, subject, place, token in tokens_of(material):
        if found := material.known.get(token):
            mine = material.patient(subject) in map(material.patient, found)
            (own if mine else others)[place].append(record)
    for place, records in sorted(others.items()):
        yield finding("D701", records, where=place)
    in_text = {place: records for place, records in own.items() if place != "name"}
    for place, records in sorted(in_text.items()):
        yield finding("D702", records, where=place)
    if own["name"]:
        yield finding("D703", own["name"])


def tokens_of(material: Material) -> Iterator[tuple[str, str | None, str, str]]:
    """(record, subject, where, token) for all that may be an id."""
    for one in material.records:
        for place, tokens in _of_record(one):
            for token in tokens:
                yield one.record, one.subject, place, token
    for table in material.tables:
        for row in table.rows:
            for column, cell in enumerate(row.cells[: len(table.columns)]):
                if column != table.subject_column:
                    for token in candidates(cell):
                        yield row.record, row.subject, table.name(column), token


def _of_record(one: RecordFacts) -> Iterator[tuple[str, Iterable[str]]]:
    for fact in _OF_TEXT:
        if one.facts.get(fact):
            yield _place(one.kind, fact), one.facts[fact].split("\n")
    if one.kind not in {"rows", "layout"}:
        yield "name", candidates(one.facts.get("path", ""))


def _place(kind: str, fact: str) -> str:
    if fact == "ocr":
        return "image"
    return "header" if kind == "dicom" else "text"


def distinct_tokens(material: Material) -> Iterable[str]:
    """All that is to be asked of the key service, once each."""
    return sorted({token for _, _, _, token in tokens_of(material)})

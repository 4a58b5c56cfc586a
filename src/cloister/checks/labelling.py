"""Labels against records and against each other."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from cloister.checks.findings import Finding, finding
from cloister.checks.material import Material, number, readings

_LEAST_WORD = 4
_FEW = 0.5
"""With several values on more than this share of the records, a label is meant to have them."""


def labelling(material: Material) -> Iterator[Finding]:
    """Contradictions, gaps in both directions, slips of spelling."""
    given: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for label in material.labels:
        given[label.schema][label.record] |= readings(label.value)
    for schema, by_record in given.items():
        torn = [record for record, values in by_record.items() if len(values) > 1]
        if torn and len(torn) <= _FEW * len(by_record):
            yield finding("D401", torn, where=schema)
        yield from _unlabelled(material, schema, by_record)
        yield from _slips(schema, by_record)
    lines = {
        code: n for code, n in material.label_problems.items() if code.startswith("unknown")
    }
    if lines:
        yield finding("D404", (), count=sum(lines.values()), detail=", ".join(sorted(lines)))


def _unlabelled(
    material: Material, schema: str, by_record: Mapping[str, set[str]]
) -> Iterator[Finding]:
    """Records of a kind that is otherwise labelled."""
    kinds = {material.facts_of[r].kind for r in by_record if r in material.facts_of}
    suffixes = {_suffix(material, r) for r in by_record if r in material.facts_of}
    bare = [
        one.record
        for one in material.records
        if one.kind in kinds
        and one.record not in by_record
        and (one.kind != "file" or _suffix(material, one.record) in suffixes)
    ]
    if bare:
        yield finding("D403", bare, where=schema)


def _suffix(material: Material, record: str) -> str:
    name = material.facts_of[record].facts.get("path", "").rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def _slips(schema: str, by_record: Mapping[str, set[str]]) -> Iterator[Finding]:
    """Records with a value that looks like a slip."""
    counts = Counter(value for values in by_record.values() for value in values)
    wrong = slips(counts)
    records = [record for record, values in by_record.items() if values & wrong]
    if records:
        yield finding("D405", records, where=schema)


def slips(counts: Counter[str]) -> set[str]:
    """Rare spellings of a class; words among numbers; words one slip from a common one."""
    found: set[str] = set()
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for value, often in counts.items():
        spellings[re.sub(r"[\s_\-.]+", "", value.casefold())][value] = often
    for variants in spellings.values():
        usual = variants.most_common(1)[0][0]
        found.update(value for value in variants if value != usual)
    numeric = {value for value in counts if number(value) is not None}
    if len(numeric) < len(counts) and _share(counts, numeric) >= 0.95:
        found.update(set(counts) - numeric)
    elif not numeric:
        found.update(_misspelt(counts))
    return found


def _share(counts: Counter[str], chosen: set[str]) -> float:
    return sum(counts[value] for value in chosen) / max(1, sum(counts.values()))


def _misspelt(counts: Counter[str]) -> Iterator[str]:
    """Words one slip away from one that is twenty times as common."""
    for value, often in counts.items():
        if len(value) >= _LEAST_WORD and often <= 5 and len(counts) <= 200:
            for other, more in counts.items():
                if more >= 20 * often and _one_slip_apart(value, other):
                    yield value
                    break


def _one_slip_apart(one: str, other: str) -> bool:
    """One letter more, less or other, or two neighbours that changed places."""
    one, other = one.casefold(), other.casefold()
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    short, long = sorted((one, other), key=len)
    at = next((i for i, letter in enumerate(short) if letter != long[i]), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    swapped = (
        short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    )
    return swapped or short[at + 1 :] == long[at + 1 :]

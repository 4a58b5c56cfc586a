"""All checks over one version's material."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from cloister.checks.balance import balance
from cloister.checks.duplicates import duplicates
from cloister.checks.findings import Finding
from cloister.checks.identifiers import identifiers
from cloister.checks.labelling import labelling
from cloister.checks.material import Material
from cloister.checks.missing import missing
from cloister.checks.parts import patients_in_parts
from cloister.checks.pixels import pixels
from cloister.checks.shortcuts import shortcuts
from cloister.checks.values import values
from cloister.core.progress import Progress, silent

FAMILIES: Mapping[str, Callable[[Material], Iterator[Finding]]] = {
    "pixels": pixels,
    "duplicates": duplicates,
    "parts": patients_in_parts,
    "labels": labelling,
    "values": values,
    "missing": missing,
    "identifiers": identifiers,
    "shortcuts": shortcuts,
    "balance": balance,
}
"""Each looks at all of the material and knows nothing of the others."""


def inspect(material: Material, progress: Progress = silent) -> tuple[Finding, ...]:
    """Everything the checks find, gravest first, then by code."""
    found: list[Finding] = []
    for number, (family, check) in enumerate(FAMILIES.items()):
        progress(f"check {family}", number, len(FAMILIES))
        found += check(material)
    return tuple(sorted(found, key=lambda one: (-one.severity, one.code, one.where)))

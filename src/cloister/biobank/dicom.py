"""What a DICOM file says of itself: whose it is, what it is, and whether it is whole."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from struct import error as struct_error
from typing import TYPE_CHECKING, Any, BinaryIO

from cloister.biobank.elements import (
    MAGIC,
    MAGIC_AT,
    NATIVE,
    Structure,
    measure,
)
from cloister.biobank.items import Quarantine
from cloister.core.errors import BadInput

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SUFFIXES = (".dcm", ".dicom")
BEGINNING_BYTES = MAGIC_AT + len(MAGIC)
# Index columns only: the full header costs four times as much, and stays in the sealed file.
INDEX = (
    "PatientID",
    "IssuerOfPatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "Modality",
    "StudyDate",
    "BodyPartExamined",
    "SeriesNumber",
    "InstanceNumber",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "BitsAllocated",
    "PhotometricInterpretation",
    "BurnedInAnnotation",
)
# What pydicom raises on damaged files, besides its own errors (which are Exceptions of these).
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct_error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Scan:
    """The index columns of one file."""

    patient_id: str = field(default="", repr=False)
    issuer: str = field(default="", repr=False)
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)
    quarantine: Quarantine | None = None


def is_dicom(path: str, beginning: bytes) -> bool:
    """By content (PS3.10 7.1), or by name where the preamble is missing."""
    return beginning[MAGIC_AT:] == MAGIC or path.lower().endswith(SUFFIXES)


def read(stream: BinaryIO, size_bytes: int) -> Scan:
    """The facts of the file in ``stream``; a damaged file tells what it still can.

    Raises OSError, and BadInput when pydicom is not installed.
    """
    read_dataset, tags = _pydicom()
    structure = measure(stream, size_bytes, tags)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = read_dataset(
                BytesIO(structure.index), structure.implicit, not structure.big
            )
            facts = {each.keyword: _text(each.value) for each in found}
        except _DAMAGE:
            return Scan(quarantine=_problem(structure, {}) or Quarantine.DICOM_MALFORMED)
    if structure.transfer_syntax:
        facts["TransferSyntaxUID"] = structure.transfer_syntax
    if caught:
        facts["warnings"] = "; ".join(dict.fromkeys(str(each.message) for each in caught))
    return Scan(
        facts.get("PatientID", ""),
        facts.get("IssuerOfPatientID", ""),
        facts,
        _problem(structure, facts),
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _pydicom() -> tuple[Callable[..., Dataset], frozenset[int]]:
    """What reads elements, and the tags of the index columns."""
    try:
        from pydicom.datadict import tag_for_keyword
        from pydicom.filereader import read_dataset
    except ImportError:
        raise BadInput(
            "there are DICOM files here, and reading them needs pydicom",
            hint="pip install 'cloister[dicom]'",
        ) from None
    tags = (tag_for_keyword(name) for name in ("SpecificCharacterSet", *INDEX))
    return read_dataset, frozenset(tag for tag in tags if tag is not None)


def _problem(structure: Structure, facts: Mapping[str, str]) -> Quarantine | None:
    if structure.directory:
        return Quarantine.DICOMDIR  # one file naming all patients of a medium is nobody's
    return structure.quarantine or _pixels(structure, facts)


def _pixels(structure: Structure, facts: Mapping[str, str]) -> Quarantine | None:
    """PS3.5 8.1.1, A.4: whether there are as many pixels as the header promises."""
    if structure.encapsulated:
        return None  # how many they are is known only by decoding them
    if structure.pixel_bytes and structure.transfer_syntax not in NATIVE:
        return Quarantine.DICOM_MALFORMED  # A.4: compressed pixels come in fragments
    try:
        promised = _promised_bytes(facts)
    except ValueError:
        return Quarantine.DICOM_MALFORMED
    return Quarantine.DICOM_PIXELS if (structure.pixel_bytes or 0) < promised else None


def _promised_bytes(facts: Mapping[str, str]) -> int:
    samples = int(facts.get("SamplesPerPixel") or 1)
    pixels = int(facts.get("Rows") or 0) * int(facts.get("Columns") or 0)
    frames = int(facts.get("NumberOfFrames") or 1)
    bits = pixels * samples * frames * int(facts.get("BitsAllocated") or 0)
    if facts.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3  # PS3.3 C.7.6.3.1.2: two pixels share their colour
    return (bits + 7) // 8

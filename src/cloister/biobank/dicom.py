"""What a DICOM file says of itself: whose it is, what it is, and whether it is whole."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import error as struct_error
from typing import TYPE_CHECKING, Any, BinaryIO

from cloister.biobank.elements import MAGIC, MAGIC_AT, NATIVE, Broken, Structure, measure
from cloister.biobank.items import Quarantine
from cloister.core.errors import BadInput

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

SUFFIXES = (".dcm", ".dicom")
BEGINNING_BYTES = MAGIC_AT + len(MAGIC)
_DICOMDIR = "1.2.840.10008.1.3.10"
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
    structure, quarantine = _structure(stream, size_bytes)
    if quarantine in (Quarantine.NOT_DICOM, Quarantine.DICOM_TOO_LARGE):
        return Scan(quarantine=quarantine)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        facts = _facts(stream)
    if facts is None:
        return Scan(quarantine=quarantine or Quarantine.DICOM_MALFORMED)
    if structure is not None:
        facts.setdefault("TransferSyntaxUID", structure.transfer_syntax)
        quarantine = _dicomdir(facts) or _pixels(structure, facts)
    if caught:
        facts["warnings"] = "; ".join(dict.fromkeys(str(each.message) for each in caught))
    return Scan(
        facts.get("PatientID", ""), facts.get("IssuerOfPatientID", ""), facts, quarantine
    )


def _structure(stream: BinaryIO, size_bytes: int) -> tuple[Structure | None, Quarantine | None]:
    try:
        return measure(stream, size_bytes), None
    except Broken as broken:
        return None, broken.why


def _facts(stream: BinaryIO) -> dict[str, str] | None:
    """The index columns as text; None when pydicom cannot read the file at all."""
    dcmread, invalid = _pydicom()
    stream.seek(0)
    try:
        found: FileDataset = dcmread(
            stream, stop_before_pixels=True, force=True, specific_tags=list(INDEX)
        )
        facts = {name: _text(found.get(name)) for name in INDEX if name in found}
        meta = found.file_meta
        for name in ("TransferSyntaxUID", "MediaStorageSOPClassUID"):
            if name in meta:
                facts[name] = _text(meta.get(name))
    except (*_DAMAGE, invalid):
        return None
    return facts


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _pydicom() -> tuple[Any, type[Exception]]:
    try:
        from pydicom import dcmread
        from pydicom.errors import InvalidDicomError
    except ImportError:
        raise BadInput(
            "there are DICOM files here, and reading them needs pydicom",
            hint="pip install 'cloister[dicom]'",
        ) from None
    return dcmread, InvalidDicomError


def _dicomdir(facts: Mapping[str, str]) -> Quarantine | None:
    """PS3.3 F: one file naming all patients of a medium belongs to none of them."""
    named = facts.get("MediaStorageSOPClassUID") == _DICOMDIR
    return Quarantine.DICOMDIR if named else None


def _pixels(structure: Structure, facts: Mapping[str, str]) -> Quarantine | None:
    """PS3.5 8.1.1, A.4: whether there are as many native pixels as the header promises."""
    if structure.pixel_bytes is None:
        return None
    if structure.transfer_syntax not in NATIVE:
        return Quarantine.DICOM_MALFORMED  # A.4: compressed pixels come in fragments
    try:
        promised = _promised_bytes(facts)
    except ValueError:
        return Quarantine.DICOM_MALFORMED
    return Quarantine.DICOM_PIXELS if structure.pixel_bytes < promised else None


def _promised_bytes(facts: Mapping[str, str]) -> int:
    samples = int(facts.get("SamplesPerPixel") or 1)
    pixels = int(facts.get("Rows") or 0) * int(facts.get("Columns") or 0)
    frames = int(facts.get("NumberOfFrames") or 1)
    bits = pixels * samples * frames * int(facts.get("BitsAllocated") or 0)
    if facts.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3  # PS3.3 C.7.6.3.1.2: two pixels share their colour
    return (bits + 7) // 8

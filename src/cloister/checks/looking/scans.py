"""DICOM through pydicom: pixels, where it was made, and every text of its header."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from cloister.checks.looking.images import LARGEST_BYTES, Pixels, image_facts
from cloister.core.tokens import candidates

_TEXT = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
# PS3.3 C.7.1.1: where the patient is meant to be named.
_NAMES = frozenset((0x00100010, 0x00100020, 0x00100021, 0x00101000, 0x00101001, 0x00101002))
_PIXELS = 0x7FE00010
_LONGEST_TEXT = 1 << 16
_MOST_WORDS = 4000
_DEEPEST = 8
# What pydicom and its decoders raise on damaged files.
_DAMAGE = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError),
    *(OSError, RecursionError, RuntimeError, TypeError, ValueError, struct.error, zlib.error),
    *(InvalidDicomError, BytesLengthException, AssertionError),
)


def scan_facts(content: bytes) -> tuple[dict[str, str], Pixels | None]:
    """Facts and pixels of one file; what is damaged tells what it still can."""
    try:
        scan = pydicom.dcmread(BytesIO(content), force=True)
        facts = {"words": "\n".join(_words(scan)), **_origin(scan)}
    except _DAMAGE:
        return {"look": "undecodable"}, None
    facts = {name: value for name, value in facts.items() if value}
    if _PIXELS not in scan:
        return facts, None
    try:
        look, pixels = _pixels(scan)
    except _DAMAGE as error:
        missing = isinstance(error, RuntimeError | NotImplementedError) and _unsupported(scan)
        return facts | {"look": "no-library" if missing else "undecodable"}, None
    if pixels is None:
        return facts | {"look": look}, None
    found = image_facts(pixels) | {"bits": str(scan.get("BitsStored", ""))}
    if _beyond(scan):
        found["beyond"] = "1"
    if look == "frames":
        found["pixels"] = hashlib.sha256(scan.PixelData).hexdigest()
    return facts | found, pixels


def _pixels(scan: Dataset) -> tuple[str, Pixels | None]:
    """The image, or the middle one of many frames."""
    frames = int(scan.get("NumberOfFrames") or 1)
    samples = int(scan.get("SamplesPerPixel") or 1)
    size = int(scan.Rows) * int(scan.Columns) * samples * (int(scan.BitsAllocated) + 7) // 8
    if size > LARGEST_BYTES or frames < 1:
        return "too-large", None
    if frames == 1:
        return "one", scan.pixel_array
    from pydicom.pixels.utils import pixel_array

    return "frames", pixel_array(scan, index=frames // 2)


def _unsupported(scan: Dataset) -> bool:
    """Whether no decoder for this encoding is installed, rather than the bytes being bad."""
    from pydicom.pixels.decoders.base import get_decoder

    try:
        return not get_decoder(scan.file_meta.TransferSyntaxUID).is_available
    except _DAMAGE:
        return False


def _beyond(scan: Dataset) -> bool:
    """Whether native values need more bits than the header says are stored (PS3.5 8.1.1).

    Asked of the bytes as they are: pydicom masks what is beyond.
    """
    stored, allocated = int(scan.get("BitsStored") or 0), int(scan.get("BitsAllocated") or 0)
    syntax = scan.file_meta.get("TransferSyntaxUID")
    if not 0 < stored < allocated or allocated not in {8, 16, 32} or syntax is None:
        return False
    if syntax.is_compressed and not syntax.is_deflated:
        return False
    signed = bool(scan.get("PixelRepresentation"))
    order = "<" if syntax.is_little_endian else ">"
    kind = f"{order}{'i' if signed else 'u'}{allocated // 8}"
    whole = len(scan.PixelData) // (allocated // 8)
    values = np.frombuffer(scan.PixelData, dtype=kind, count=whole)
    low, high = (
        (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    )
    return bool(values.size and (values.min() < low or values.max() > high))


def _origin(scan: Dataset) -> dict[str, str]:
    """Where and with what it was made, and of whom as far as balance goes."""
    device = " ".join(
        str(scan.get(name) or "") for name in ("Manufacturer", "ManufacturerModelName")
    )
    return {
        "site": str(scan.get("InstitutionName") or ""),
        "device": device.strip(),
        "station": str(scan.get("StationName") or ""),
        "sex": str(scan.get("PatientSex") or ""),
    }


def _words(scan: Dataset) -> list[str]:
    """All that may be an id in any text but the patient's own fields."""
    found: dict[str, None] = {}
    for text in _texts(scan, _DEEPEST):
        found.update(dict.fromkeys(candidates(text[:_LONGEST_TEXT])))
        if len(found) > _MOST_WORDS:
            break
    return list(found)[:_MOST_WORDS]


def _texts(scan: Dataset, levels: int) -> Iterator[str]:
    """Undecoded elements where possible: a tenth of the time that pydicom takes to decode."""
    for element in scan.elements():
        tag = int(element.tag)
        if tag in _NAMES or tag == _PIXELS:
            continue
        vr = element.VR or _meant(tag)
        if vr == "SQ":
            if levels:
                for item in scan[tag].value or ():
                    yield from _texts(item, levels - 1)
        elif vr in _TEXT or _is_ascii(vr, element.value):
            yield _text(element.value)


def _is_ascii(vr: str, value: Any) -> bool:
    """Whether a value of unknown type, as private ones are, may be text."""
    return vr == "UN" and isinstance(value, bytes) and value.isascii()


def _meant(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").replace("\\", " | ")
    return "" if value is None else str(value)

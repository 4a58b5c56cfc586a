"""DICOM files name their patient, and a damaged one is never taken for a whole one."""

from __future__ import annotations

import struct
import sys
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.biobank import Item, Kind, Quarantine, SubjectRules
from cloister.biobank.dicom import Scan, read
from cloister.biobank.walk import walk
from cloister.core.errors import BadInput

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
WHOLE = ["CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "image_dfl.dcm"]
WHOLE += ["JPEG2000.dcm", "SC_rgb_rle.dcm", "ExplVR_LitEndNoMeta.dcm", "reportsi.dcm"]


def scanned(content: bytes) -> Scan:
    return read(BytesIO(content), len(content))


def explicit(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def file_of(dataset: bytes, syntax: bytes = b"1.2.840.10008.1.2.1\0") -> bytes:
    return b"\0" * 128 + b"DICM" + explicit(0x00020010, b"UI", syntax) + dataset


PATIENT = explicit(0x00100020, b"LO", b"P0001 ")


def test_every_file_of_pydicom_is_accounted_for(pydicom_data: Path) -> None:
    items = list(walk(pydicom_data, SubjectRules()))
    files = [path for path in pydicom_data.rglob("*") if path.is_file()]
    assert len(items) == len(files)
    assert all(item.subject is not None or item.quarantine is not None for item in items)
    refused = {
        item.path.rpartition("/")[2]: item.quarantine
        for item in items
        if item.quarantine not in {None, Quarantine.NO_SUBJECT, Quarantine.DICOMDIR}
    }
    assert refused == {
        "MR_truncated.dcm": Quarantine.DICOM_TRUNCATED,
        "rtplan_truncated.dcm": Quarantine.DICOM_TRUNCATED,
        "badVR.dcm": Quarantine.DICOM_MALFORMED,  # its number of frames is 1A
        "no_meta.dcm": Quarantine.NOT_DICOM,  # begins inside an element
        "chrJapMulti.dcm": Quarantine.DICOM_PIXELS,  # images whose pixels were taken out
        "chrJapMultiExplicitIR6.dcm": Quarantine.DICOM_PIXELS,
        "chrKoreanMulti.dcm": Quarantine.DICOM_PIXELS,
    }


def test_identities_are_those_pydicom_reads(pydicom_data: Path) -> None:
    for item in walk(pydicom_data, SubjectRules()):
        if item.kind is Kind.DICOM and item.subject is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                whole = pydicom.dcmread(pydicom_data / item.path, force=True)
                assert item.subject.local_id == whole.PatientID.strip()
                assert item.facts["SOPInstanceUID"] == str(whole.get("SOPInstanceUID", ""))


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_cut_anywhere_is_not_taken_for_whole(name: str) -> None:
    content = (TEST_FILES / name).read_bytes()
    assert scanned(content).quarantine is None
    last = len(content) - 9  # the deflated file ends with a checksum that PS3.5 A.5 lacks
    ends = {0, 1, 127, 128, 131, 132, 140, last, *range(1, last, 97)}
    for end in ends:
        cut = scanned(content[:end])
        if cut.quarantine is None:
            # Cut between two elements of a file that promises no pixels: what remains is
            # a smaller, complete DICOM file.
            assert "Rows" not in cut.facts


@settings(max_examples=150)
@given(
    name=st.sampled_from(WHOLE),
    place=st.integers(0, 3000),
    change=st.binary(min_size=1, max_size=8),
)
def test_damage_is_a_code_and_never_an_exception(name: str, place: int, change: bytes) -> None:
    content = bytearray((TEST_FILES / name).read_bytes())
    content[place : place + len(change)] = change
    assert isinstance(scanned(bytes(content)), Scan)


@settings(max_examples=150)
@given(body=st.binary(max_size=200), marked=st.booleans())
def test_any_bytes_are_read_without_an_exception(body: bytes, marked: bool) -> None:
    assert isinstance(scanned(file_of(body) if marked else body), Scan)


def test_the_issuer_of_the_id_goes_before_the_default() -> None:
    issued = explicit(0x00100021, b"LO", b"St. Anna")
    assert scanned(file_of(PATIENT + issued)).issuer == "St. Anna"
    assert scanned(file_of(PATIENT)).issuer == ""


def test_too_few_pixels_are_found() -> None:
    def image(pixel_bytes: int) -> bytes:
        numbers = [(0x00280002, 1), (0x00280010, 4), (0x00280011, 4), (0x00280100, 16)]
        header = b"".join(explicit(tag, b"US", struct.pack("<H", n)) for tag, n in numbers)
        pixels = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, pixel_bytes)
        return file_of(PATIENT + header + pixels + b"\1" * pixel_bytes)

    assert scanned(image(32)).quarantine is None
    assert scanned(image(30)).quarantine is Quarantine.DICOM_PIXELS


def test_what_pydicom_warns_of_becomes_a_fact() -> None:
    odd = explicit(0x00080018, b"UI", b"not a uid\0")
    assert "not a uid" in scanned(file_of(odd + PATIENT)).facts["warnings"]


def test_a_directory_of_patients_is_not_kept(tmp_path: Path, pydicom_data: Path) -> None:
    whole = (pydicom_data / "test_files/dicomdirtests/DICOMDIR").read_bytes()
    (tmp_path / "DICOMDIR").write_bytes(whole)
    (tmp_path / "cut").write_bytes(whole[:2000])
    for item in walk(tmp_path, SubjectRules(pattern="(.*)")):
        assert item.quarantine is Quarantine.DICOMDIR
        assert not item.kept


def test_an_explicit_pattern_goes_before_the_files_own_id(tmp_path: Path) -> None:
    for name in ("A/scan.dcm", "scan.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(file_of(PATIENT))
    inside, outside = walk(tmp_path, SubjectRules(pattern="^(.)/"))
    assert inside.subject is not None
    assert inside.subject.local_id == "A"
    assert outside.subject is not None
    assert outside.subject.local_id == "P0001"


def test_without_pydicom_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scan").write_bytes(file_of(PATIENT))
    monkeypatch.setitem(sys.modules, "pydicom.datadict", None)
    with pytest.raises(BadInput) as refused:
        list(walk(tmp_path, SubjectRules()))
    assert refused.value.hint == "pip install 'cloister[dicom]'"


def test_a_deflated_bomb_is_refused() -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    block = bytes(1 << 20)
    bomb = b"".join(deflater.compress(block) for _ in range(257)) + deflater.flush()
    found = scanned(file_of(bomb, b"1.2.840.10008.1.2.1.99"))
    assert found.quarantine is Quarantine.DICOM_TOO_LARGE


def test_sequences_without_end_are_refused() -> None:
    opened = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    found = scanned(file_of(PATIENT + (opened + item) * 5000))
    assert found.quarantine is Quarantine.DICOM_MALFORMED
    assert found.patient_id.strip() == "P0001"  # known all the same: sealed under their key


def test_items_show_no_patient(tmp_path: Path) -> None:
    (tmp_path / "Anna.dcm").write_bytes(file_of(PATIENT))
    (item,) = walk(tmp_path, SubjectRules())
    assert isinstance(item, Item)
    for secret in ("Anna", "P0001"):
        assert secret not in repr(item)


def test_real_series_belong_to_their_patients(real_data: Path) -> None:
    items = [
        item for item in walk(real_data / "sts", SubjectRules()) if item.kind is Kind.DICOM
    ]
    assert len(items) > 1000
    assert {item.quarantine for item in items} == {None}
    assert len({item.subject for item in items}) == 6
    assert {item.facts["Modality"] for item in items} >= {"CT", "PT", "MR", "RTSTRUCT"}

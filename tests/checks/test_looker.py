"""Looking into records: what is seen, and that nothing a record holds stops it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from cloister.checks.looking import Asked, Looker
from tests.checks.pictures import encoded, photograph, png, saved, scan, undecodable, with_text


def looked(content: bytes, path: str = "x.png", kind: str = "file") -> Mapping[str, str]:
    with Looker(seconds=20) as looker:
        ((_, facts),) = looker.facts([Asked("rec", kind, path, content)])
    return facts


def bits(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    return (int(one["phash"], 16) ^ int(other["phash"], 16)).bit_count()


def test_a_picture_keeps_its_look_through_jpeg_scale_and_brightness() -> None:
    scene = photograph(1)
    whole = looked(encoded(scene))
    changed = (
        encoded(scene, "JPEG", quality=40),
        encoded(photograph(1, 60)),
        encoded((scene * 0.8).astype(np.uint8)),
    )
    assert all(bits(whole, looked(content)) <= 6 for content in changed)
    assert bits(whole, looked(encoded(photograph(2)))) > 12


def test_equal_pixels_have_one_fingerprint_in_every_format() -> None:
    gray = photograph(3)[..., 0]
    as_png = looked(encoded(gray))
    as_scan = looked(saved(scan(gray)), "x.dcm", "dicom")
    assert as_png["pixels"] == as_scan["pixels"]
    assert as_png["phash"] == as_scan["phash"]
    assert looked(encoded(gray + 1))["pixels"] != as_png["pixels"]


def test_a_scan_tells_where_it_was_made_and_every_word_that_may_be_an_id() -> None:
    made = scan(
        photograph(4)[..., 0].astype(np.uint16),
        "P-0017",
        InstitutionName="St. Mary",
        ManufacturerModelName="M2",
        PatientName="P-0017",
        StudyDescription="see P-0017, room 12",
        StudyDate="20240131",
    )
    facts = looked(saved(made), "x.dcm", "dicom")
    assert (facts["site"], facts["device"]) == ("St. Mary", "M2")
    assert set(facts["words"].split("\n")) == {"p-0017"}


def test_a_flat_image_is_blank_and_looks_like_nothing() -> None:
    facts = looked(encoded(np.full((40, 40), 7, dtype=np.uint8)))
    assert facts["blank"] == "1"
    assert "phash" not in facts


def test_pixels_beyond_the_stored_bits_are_told() -> None:
    wide = np.full((8, 8), 5000, dtype=np.uint16)
    wide[0, 0] = 1
    assert looked(saved(scan(wide, BitsStored=12, HighBit=11)), "x", "dicom")["beyond"] == "1"
    assert "beyond" not in looked(saved(scan(wide, BitsStored=13, HighBit=12)), "x", "dicom")


@pytest.mark.parametrize(
    ("content", "kind", "look"),
    [
        (b"", "file", "undecodable"),
        (b"no picture", "file", "undecodable"),
        (encoded(photograph(5))[:-60], "file", "undecodable"),
        (encoded(photograph(5), "JPEG")[:400], "file", "undecodable"),
        (undecodable(scan(np.eye(9, dtype=np.uint16))), "dicom", "undecodable"),
        (b"no scan", "dicom", "undecodable"),
        (png(60_000, 60_000, bytes(1000)), "file", "too-large"),
        (saved(scan(np.eye(9), Rows=60_000, Columns=60_000)), "dicom", "too-large"),
    ],
)
def test_what_cannot_be_decoded_says_so(content: bytes, kind: str, look: str) -> None:
    found = looked(content, kind=kind)
    assert found.get("look", "undecodable") == look


def test_text_files_give_words_that_may_be_ids_and_nothing_else() -> None:
    facts = looked(
        b"Patient STS_001, seen 2024-01-31; mmHg 120/80, id 12345 or 123456\n", "a.txt"
    )
    words = set(facts["words"].split("\n"))
    assert {"sts_001", "123456"} <= words
    assert not words & {"patient", "120", "12345", "seen"}


def test_burned_in_text_is_read_by_the_program_that_is_given(tmp_path: Path) -> None:
    """A stand-in that prints tesseract's table: what is sure counts, the rest is texture."""
    table = "level\\t" * 11 + "text\\n"
    for sure, word in (("96", "JANE-0042"), ("95", "DOE"), ("20", "|~texture")):
        table += "\\t".join(["5"] * 10 + [sure, word]) + "\\n"
    program = tmp_path / "tesseract"
    program.write_text(f"#!/bin/sh\ncat > /dev/null\nprintf '{table}'\n")
    program.chmod(0o755)
    with Looker(str(program)) as looker:
        asked = [
            Asked("rec", "file", "x.png", encoded(with_text(photograph(6))), read_text=True)
        ]
        ((_, facts),) = looker.facts(asked)
    assert facts["ocr_letters"] == "11"
    assert "jane-0042" in facts["ocr"].split("\n")


def test_no_reader_is_started_where_nothing_can_be_written(tmp_path: Path) -> None:
    with Looker(str(tmp_path / "none")) as looker:
        asked = [Asked("rec", "file", "x.png", encoded(photograph(6)[:4, :4]), read_text=True)]
        ((_, facts),) = looker.facts(asked)
    assert (facts["ocr"], facts["ocr_letters"]) == ("", "0")


def test_a_killed_child_costs_one_record_and_no_other(tmp_path: Path) -> None:
    good, evil = encoded(photograph(7)), encoded(with_text(photograph(8)))
    slow = tmp_path / "tesseract"  # so that the child is still at it when it is killed
    slow.write_text("#!/bin/sh\nexec sleep 5\n")
    slow.chmod(0o755)
    with Looker(str(slow), seconds=20) as looker:

        def asked() -> object:
            yield Asked("first", "file", "a.png", good)
            yield Asked("second", "file", "b.png", evil, read_text=True)
            child = looker._child
            assert child is not None
            child.kill()
            child.wait()
            yield Asked("third", "file", "c.png", good)
            yield Asked("fourth", "file", "d.png", good)

        found = {one.record: facts["look"] for one, facts in looker.facts(asked())}  # type: ignore[arg-type]
    assert found.pop("second") == "crashed"
    assert found == dict.fromkeys(("first", "third", "fourth"), "decoded")


def test_a_thumbnail_is_small_and_decodes() -> None:
    with Looker() as looker:
        small = looker.thumbnail(Asked("r", "file", "x.png", encoded(photograph(9, 900))))
        assert looker.thumbnail(Asked("r", "file", "x.txt", b"words")) is None
    assert small is not None
    assert int(looked(small)["width"]) <= 128


def test_starting_costs_nothing_when_there_is_nothing_to_look_at() -> None:
    with Looker("/nonexistent") as looker:
        assert list(looker.facts([])) == []
        assert looker._child is None


def test_the_child_runs_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(3)\n")
    code = (
        "from cloister.checks.looking import Asked, Looker\n"
        "with Looker() as looker:\n"
        "    print([f for _, f in looker.facts([Asked('r', 'file', 'a.txt', b'id A12345')])])\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "a12345" in done.stdout, done.stderr

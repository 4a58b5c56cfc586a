"""Each check finds what it is for, and nothing where there is nothing."""

from __future__ import annotations

import base64
import random

import pytest

from cloister.checks import KINDS, Material, inspect
from tests.checks.material import codes, label, record, with_table


def test_no_records_no_findings() -> None:
    assert inspect(Material()) == ()


def test_equal_bytes_within_and_across_patients() -> None:
    material = Material(
        records=[
            record("a", "sub_a", sha256="1"),
            record("b", "sub_a", sha256="1"),
            record("c", "sub_a", sha256="2"),
            record("d", "sub_b", sha256="2"),
            record("e", "sub_b", sha256="3"),
        ]
    )
    assert codes(inspect(material)) == {"D201": {"a", "b"}, "D202": {"c", "d"}}


def test_two_names_of_one_patient_are_one() -> None:
    records = [record("c", "sub_a", sha256="2"), record("d", "sub_b", sha256="2")]
    material = Material(records=records, patient_of={"sub_a": "sub_a", "sub_b": "sub_a"})
    assert codes(inspect(material)) == {"D201": {"c", "d"}}


def test_a_patient_in_two_folders_of_parts() -> None:
    paths = ("train/a.txt", "test/b.txt", "train/c.txt", "test/d.txt")
    names = ("sub_1", "sub_1", "sub_2", "sub_3")
    records = [record(p[-5], s, path=p) for p, s in zip(paths, names, strict=True)]
    (found,) = inspect(Material(records=records))
    assert (found.code, set(found.records), found.count) == ("D301", {"a", "b"}, 1)


def test_a_linked_patient_in_two_parts() -> None:
    records = [record("a", "sub_1", path="train/a"), record("b", "sub_2", path="test/b")]
    linked = {"sub_1": "sub_1", "sub_2": "sub_1"}
    assert codes(inspect(Material(records=records))) == {}
    assert set(codes(inspect(Material(records=records, patient_of=linked)))) == {"D301"}


def test_names_that_a_split_had_dealt_apart() -> None:
    records = [record("a", "sub_1"), record("b", "sub_2"), record("c", "sub_3")]
    material = Material(records=records, regrouped={"fold": ["sub_1", "sub_2"]})
    assert codes(inspect(material)) == {"D302": {"a", "b"}}


def test_equal_data_in_two_parts_of_a_split() -> None:
    records = [record("a", "sub_1", sha256="1"), record("b", "sub_2", sha256="1")]
    apart = Material(records=records, parts={"fold": {"sub_1": "train", "sub_2": "test"}})
    together = Material(records=records, parts={"fold": {"sub_1": "test", "sub_2": "test"}})
    assert set(codes(inspect(apart))) == {"D202", "D303"}
    assert set(codes(inspect(together))) == {"D202"}


def test_labels_that_contradict_each_other() -> None:
    records = [record(str(n), f"sub_{n}") for n in range(10)]
    labels = [label(str(n), "high") for n in range(9)] + [label("9", '["high","low"]')]
    assert codes(inspect(Material(records=records, labels=labels))) == {"D401": {"9"}}
    several = [label(str(n), '["high","low"]') for n in range(10)]
    assert codes(inspect(Material(records=records, labels=several))) == {}


def test_equal_data_with_two_labels() -> None:
    records = [record("a", sha256="1"), record("b", sha256="1")]
    labels = [label("a", "high"), label("b", "low")]
    found = codes(inspect(Material(records=records, labels=labels)))
    assert found == {"D201": {"a", "b"}, "D402": {"a", "b"}}


def test_records_without_a_label_and_lines_without_a_record() -> None:
    records = [record(str(n), f"sub_{n}", path=f"{n}.png") for n in range(3)]
    records.append(record("readme", "sub_9", path="README.txt"))
    labels = [label("0", "high"), label("1", "high")]
    material = Material(
        records=records, labels=labels, label_problems={"unknown-path": 4, "no-value": 2}
    )
    found = {one.code: one for one in inspect(material)}
    assert set(found) == {"D403", "D404"}
    assert found["D403"].records == ("2",)
    assert found["D404"].count == 4


@pytest.mark.parametrize("slip", ["Benign", "be nign", "be-nign", "benigm", "enign"])
def test_slips_in_the_names_of_classes(slip: str) -> None:
    values = ["benign"] * 60 + ["malignant"] * 40 + [slip]
    records = [record(str(n), f"sub_{n}") for n in range(len(values))]
    labels = [label(str(n), value) for n, value in enumerate(values)]
    assert codes(inspect(Material(records=records, labels=labels)))["D405"] == {"100"}


def test_a_row_under_two_patients_and_twice_in_one() -> None:
    rows = [[str(n), str(n * 7), str(n * n), f"{n / 3:.2f}", str(n + 100)] for n in range(30)]
    rows[5][1:] = rows[4][1:]
    rows.append([*rows[9]])
    found = codes(inspect(with_table(["id", "a", "b", "c", "d"], rows)))
    assert found == {"D205": {"rec_4", "rec_5"}, "D206": {"rec_9", "rec_30"}}


def test_values_missing_by_group() -> None:
    made = random.Random(5)
    rows = [[str(n), "AB"[n % 2], str(made.random())] for n in range(200)]
    for row in rows:
        if row[1] == "B" and made.random() < 0.4:
            row[2] = "NA"
    (found,) = inspect(with_table(["id", "ward", "lactate"], rows))
    assert (found.code, found.where, found.detail) == ("D601", "lactate", "by ward")
    for row in rows:
        row[2] = "" if made.random() < 0.2 else "1.5"
    assert inspect(with_table(["id", "ward", "lactate"], rows)) == ()


@pytest.mark.parametrize("seed", range(10))
def test_a_label_that_the_site_gives_away(seed: int) -> None:
    made = random.Random(seed)
    rows = [[str(n), made.choice("ABC"), str(made.random())] for n in range(150)]
    told = {f"rec_{n}": "ill" if row[1] == "A" else "well" for n, row in enumerate(rows)}
    untold = {name: made.choice(("ill", "well")) for name in told}
    columns = ["id", "hospital", "x"]
    assert "D801" in codes(inspect(with_table(columns, rows, told)))
    assert "D801" not in codes(inspect(with_table(columns, rows, untold)))


@pytest.mark.parametrize("seed", range(10))
def test_a_label_that_names_of_files_give_away(seed: int) -> None:
    made = random.Random(seed)
    told, untold = [], []
    for n in range(80):
        value = made.choice(("ill", "well"))
        told.append(record(str(n), f"sub_{n}", path=f"{value}/scan_{n:03}.txt"))
        untold.append(record(str(n), f"sub_{n}", path=f"scan_{n:03}.txt"))
    labels = [label(one.record, one.facts["path"].split("/")[0]) for one in told]
    assert "D802" in codes(inspect(Material(records=told, labels=labels)))
    assert "D802" not in codes(inspect(Material(records=untold, labels=labels)))


def test_rare_classes_and_subgroups() -> None:
    rows = [[str(n), "F" if n % 40 == 0 else "M", str(n % 17)] for n in range(200)]
    values = {f"rec_{n}": "rare" if n % 50 == 0 else "common" for n in range(200)}
    found = codes(inspect(with_table(["id", "sex", "x"], rows, values)))
    assert found["D901"] == {"rec_0", "rec_50", "rec_100", "rec_150"}
    assert found["D902"] == {f"rec_{n}" for n in range(0, 200, 40)}


def test_ids_of_the_patient_and_of_others() -> None:
    records = [
        record("own", "sub_1", words="p0001"),
        record("other", "sub_1", words="p0002\nscan-17"),
        record("named", "sub_2", path="P0002/scan.txt"),
        record("none", "sub_2", words="t2w_3d", path="scan.txt"),
    ]
    known = {"p0001": ["sub_1"], "p0002": ["sub_2"]}
    found = codes(inspect(Material(records=records, known=known)))
    assert found == {"D701": {"other"}, "D702": {"own"}, "D703": {"named"}}


def test_an_id_that_two_issuers_gave_is_the_patients_own() -> None:
    records = [record("own", "sub_1", words="p0001")]
    known = {"p0001": ["sub_2", "sub_1"]}
    assert set(codes(inspect(Material(records=records, known=known)))) == {"D702"}


def test_images_by_themselves() -> None:
    usual = {"SeriesInstanceUID": "1.2", "width": "64", "height": "64", "ocr": ""}
    records = [record(str(n), kind="dicom", pixels=str(n), **usual) for n in range(8)]
    records.append(record("odd", kind="dicom", pixels="x", **{**usual, "width": "32"}))
    records.append(record("blank", pixels="y", blank="1", ocr=""))
    records.append(record("beyond", pixels="z", beyond="1", ocr=""))
    records.append(record("text", pixels="w", ocr="", ocr_letters="12"))
    records.append(record("bad", look="undecodable"))
    found = codes(inspect(Material(records=records, set_aside={"dicom-truncated": ["cut"]})))
    assert found == {
        "D101": {"cut"},
        "D102": {"bad"},
        "D103": {"blank"},
        "D104": {"odd"},
        "D105": {"beyond"},
        "D704": {"text"},
    }


def test_the_neighbours_of_a_copied_slice_are_no_copies() -> None:
    """Three slices of one series, all alike; the middle one is under another patient too."""
    thumbs = [bytes((n * 3 + k) % 256 for n in range(256)) for k in (0, 1, 2)]
    of = [{"phash": f"{0xABCD << k:016x}", "pixels": str(k), "ocr": ""} for k in (0, 0, 0)]
    records = [
        record(f"s{k}", "sub_a", "dicom", SeriesInstanceUID="1", **(of[k] | {
            "pixels": str(k), "thumb": base64.b64encode(thumbs[k]).decode()}))
        for k in range(3)
    ]  # fmt: skip
    equal = record("copy", "sub_b", "dicom", SeriesInstanceUID="2", **{
        name: value for name, value in records[1].facts.items() if name != "SeriesInstanceUID"
    })  # fmt: skip
    assert codes(inspect(Material(records=[*records, equal]))) == {"D202": {"s1", "copy"}}
    near = record("copy", "sub_b", "dicom", **{**equal.facts, "pixels": "other"})
    assert codes(inspect(Material(records=[*records, near]))) == {"D204": {"s1", "copy"}}


def test_every_kind_has_words_of_its_own() -> None:
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)
    assert all(kind.advice and kind.title for kind in KINDS.values())

"""`cloister check`, and the checks of `add`, as typed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cloister.datasets.splits import Split, parse_parts
from tests.checks.pictures import encoded, photograph
from tests.conftest import Shell

PATTERN = ("--subject-pattern", "^(?:train/|test/)?(P[0-9]+)")


def write_pictures(folder: Path, count: int = 8) -> None:
    folder.mkdir()
    for number in range(count):
        picture = encoded(photograph(number), "JPEG", quality=90)
        (folder / f"P{number:03}.jpg").write_bytes(picture)


def found(report: dict[str, object]) -> dict[str, int]:
    return {one["code"]: one["count"] for one in report["findings"]}  # type: ignore[attr-defined]


@pytest.fixture
def pictures(lab: Shell) -> Shell:
    """A lab with 8 pictures of 8 patients in `pictures`, not added yet."""
    write_pictures(lab.folder / "pictures")
    return lab


def test_add_checks_what_it_added_and_says_what_it_found(pictures: Shell) -> None:
    folder = pictures.folder / "pictures"
    shutil.copy(folder / "P000.jpg", folder / "P900.jpg")
    (folder / "P901.jpg").write_bytes(encoded(photograph(1), "JPEG", quality=50))
    (folder / "P902.jpg").write_bytes((folder / "P002.jpg").read_bytes()[:900])
    report = pictures.json("add", "pictures", *PATTERN)
    assert report["quarantined"] == {"image-truncated": 1}
    codes = found(report["checks"])
    assert (codes["D101"], codes["D202"], codes["D204"]) == (1, 2, 2)
    assert "D801" not in codes
    assert report["checks"]["looked"] == 10


def test_a_second_check_looks_at_what_is_new_alone(pictures: Shell) -> None:
    assert pictures.json("add", "pictures", *PATTERN)["checks"]["looked"] == 8
    assert pictures.json("check")["looked"] == 0
    (pictures.folder / "pictures/P050.jpg").write_bytes(encoded(photograph(50), "JPEG"))
    pictures("add", "pictures", *PATTERN, "--no-checks")
    assert pictures.json("check", "data1@2")["looked"] == 1
    assert pictures.json("check", "data1@1")["looked"] == 0


def test_no_checks_leaves_no_trace_of_any(pictures: Shell) -> None:
    assert pictures.json("add", "pictures", *PATTERN, "--no-checks")["checks"] is None
    assert "was not checked" in pictures("check", "--kept", status=2).stderr


def test_fail_on_gives_an_exit_status_of_its_own(pictures: Shell) -> None:
    shutil.copy(pictures.folder / "pictures/P000.jpg", pictures.folder / "pictures/P900.jpg")
    pictures("add", "pictures", *PATTERN)
    pictures("check", "--fail-on", "error", status=8)
    pictures("check", "--kept", "--fail-on", "error", status=8)
    pictures("check", "--fail-on", "warning", status=8)
    pictures("check")
    (pictures.folder / "clean").mkdir()
    (pictures.folder / "clean/P1.txt").write_text("nothing here\n")
    pictures("add", "clean", *PATTERN, "--name", "clean")
    pictures("check", "clean", "--fail-on", "warning")


def test_the_page_is_written_in_plain_where_asked_and_kept_sealed(pictures: Shell) -> None:
    shutil.copy(pictures.folder / "pictures/P000.jpg", pictures.folder / "pictures/P900.jpg")
    pictures("add", "pictures", *PATTERN)
    pictures("check", "--report", "one.html")
    page = (pictures.folder / "one.html").read_text()
    assert (pictures.folder / "one.html").stat().st_mode & 0o777 == 0o600
    assert page.count("data:image/png;base64,") >= 2
    assert "D202" in page
    assert "<script" not in page
    assert "http" not in page
    pictures("check", "--kept", "--report", "two.html")
    assert (pictures.folder / "two.html").read_text() == page
    assert "exists" in pictures("check", "--report", "one.html", status=2).stderr


def test_a_table_with_wrong_values_and_a_patient_in_two_parts(lab: Shell) -> None:
    rows = [f"P{n:03},{'train' if n % 3 else 'test'},{60 + n % 30},{n % 7}" for n in range(90)]
    rows += ["P004,test,66,3", "P095,train,999,2", "P096,train,n.d.,1"]
    table = lab.folder / "study/table.csv"
    table.parent.mkdir()
    table.write_text("patient,split,weight_kg,score\n" + "\n".join(rows) + "\n")
    report = lab.json("add", "study", "--subject-column", "patient", "--label-column", "score")
    checks = {(one["code"], one["where"]): one for one in report["checks"]["findings"]}
    assert checks["D301", "column split"]["count"] == 1
    assert checks["D502", "weight_kg"]["count"] == 1
    assert checks["D501", "weight_kg"]["count"] == 1


def test_names_linked_after_a_split_dealt_them_apart(pictures: Shell) -> None:
    pictures("add", "pictures", *PATTERN, "--no-checks")
    pictures("dataset", "split", "data1", "fold", "--parts", "a=0.5,b=0.5")
    split = Split("fold", 0, parse_parts("a=0.5,b=0.5"))
    parts: dict[str, str] = {}
    for n in range(8):
        asked = pictures.json("subject", "pseudonym", "-", typed=f"P{n:03}\n")
        parts.setdefault(split.part_of(asked["subject"]), asked["subject"])
    assert "D302" not in found(pictures.json("check"))
    pictures("subject", "link", parts["a"], parts["b"])
    assert found(pictures.json("check"))["D302"] == 2


def test_an_id_in_a_letter_is_found_and_never_shown(lab: Shell) -> None:
    folder = lab.folder / "letters"
    folder.mkdir()
    for n in range(5):
        (folder / f"KX{n}0417.txt").write_text("a letter about somebody\n")
    (folder / "KX00417.txt").write_text("the results of kx00417 are fine\n")
    (folder / "KX10417.txt").write_text("compared with KX20417 they are not\n")
    done = lab("--json", "add", "letters", "--subject-pattern", r"^(KX\d+)")
    assert '"D702"' in done.stdout
    assert '"D701"' in done.stdout
    assert "417" not in done.stdout + done.stderr


def test_labels_that_fit_nothing_are_a_finding_of_the_add(pictures: Shell) -> None:
    lines = [f"P{n:03}.jpg,{'ill' if n % 2 else 'well'}" for n in range(7)]
    (pictures.folder / "labels.csv").write_text(
        "path,state\n" + "\n".join(lines) + "\nP999.jpg,ill\n"
    )
    report = pictures.json("add", "pictures", *PATTERN, "--labels", "labels.csv")
    codes = found(report["checks"])
    assert (codes["D403"], codes["D404"]) == (1, 1)


def test_erasing_somebody_a_report_names_closes_the_report(pictures: Shell) -> None:
    shutil.copy(pictures.folder / "pictures/P000.jpg", pictures.folder / "pictures/P900.jpg")
    pictures("add", "pictures", *PATTERN)
    plan = pictures("erase", "-", "--dry-run", typed="P900\n").stdout
    assert "1 check that names the subject" in plan
    pictures("erase", "-", "--reason", "withdrawn", "--yes", typed="P900\n")
    assert "E400" in pictures("check", "--kept", "--report", "x.html", status=5).stderr
    again = pictures.json("check")
    assert again["erased"] == 1
    assert "D202" not in found(again)
    pictures("audit")


def test_erasing_somebody_no_report_names_leaves_it_open(pictures: Shell) -> None:
    shutil.copy(pictures.folder / "pictures/P000.jpg", pictures.folder / "pictures/P900.jpg")
    pictures("add", "pictures", *PATTERN)
    named = found(pictures.json("check"))
    assert set(named) <= {"D202", "D706", "D703"}

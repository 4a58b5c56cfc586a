"""Adding again what changed meanwhile: every path shows what the folder holds now."""

from __future__ import annotations

from dataclasses import replace

from tests.attacks.killing import wait_until, waiting_for
from tests.conftest import Shell, write_scans

BY_FOLDER = ("--subject-pattern", "^(P[0-9]+)/")
TABLE = ("--subject-column", "id")


def read_back(shell: Shell, reference: str, path: str) -> str:
    shell("get", reference, "-o", f"back-{reference}")
    return (shell.folder / f"back-{reference}" / path).read_text()


def test_rows_that_left_a_table_leave_the_dataset(lab: Shell) -> None:
    (lab.folder / "study").mkdir()
    table = lab.folder / "study/t.csv"
    versions = ["id,v\nA,1\nB,2\n", "id,v\nA,1\nC,3\n", "id,v\nA,1\nB,2\n", "id,v\nC,3\n"]
    for number, text in enumerate(versions, 1):
        table.write_text(text)
        report = lab.json("add", "study", *TABLE)
        assert (report["version"], report["missing"]) == (number, 0)
        assert report["records"] == text.count("\n")  # a layout, and rows of each subject
    for number, text in enumerate(versions, 1):
        assert read_back(lab, f"data1@{number}", "t.csv") == text


def test_a_file_that_became_someone_elses_replaces_the_old_one(lab: Shell) -> None:
    write_scans(lab.folder / "scans", patients=2, each=1)
    lab("add", "scans", *BY_FOLDER)
    report = lab.json("add", "scans", *BY_FOLDER, "--issuer", "elsewhere")
    assert (report["added"], report["superseded"], report["missing"]) == (2, 2, 0)
    assert (report["records"], report["subjects"]) == (2, 2)
    assert read_back(lab, "data1", "P001/0.txt").startswith("patient 1")


def test_what_cannot_be_attributed_today_takes_nothing_away(scans: Shell) -> None:
    report = scans.json("add", "scans")  # the pattern was forgotten
    assert report["quarantined"] == {"no-subject": 12}
    assert (report["records"], report["superseded"], report["missing"]) == (12, 0, 12)


def test_what_is_attributed_later_leaves_quarantine(lab: Shell) -> None:
    write_scans(lab.folder / "scans")
    lab("add", "scans")
    assert len(lab.json("ls", "data1", "--quarantine")) == 12
    report = lab.json("add", "scans", *BY_FOLDER)
    assert (report["added"], report["records"]) == (12, 12)
    assert lab.json("ls", "data1", "--quarantine") == []
    assert lab.json("audit")["whole"]


def test_versions_after_an_erasure_show_nothing_of_it(scans: Shell) -> None:
    (scans.folder / "scans/P001/0.txt").rename(scans.folder / "scans/P002/9.txt")
    scans("erase", "-", "--reason", "withdrawn", "--yes", typed="P001\n")
    for number in (1, 2):
        (scans.folder / f"scans/P001/{number}.txt").unlink()
    report = scans.json("add", "scans", *BY_FOLDER)
    assert (report["version"], report["records"], report["subjects"]) == (2, 10, 3)
    run = scans.json("run", "--data", "data1", "--", "true")
    assert (run["data"][0]["records"], run["data"][0]["erased"]) == (10, 0)
    assert scans.json("audit")["whole"]


def test_two_adds_at_once_of_one_new_folder_make_one_dataset(lab: Shell) -> None:
    write_scans(lab.folder / "scans", patients=3, each=20)
    words = ("add", "scans", *BY_FOLDER)
    several = [lab.start(*words) for _ in range(3)]
    said = [process.communicate(timeout=120) for process in several]
    for process, (_, error) in zip(several, said, strict=True):
        assert process.returncode in {0, 2}, error
        assert process.returncode == 0 or "another process is at work" in error
    (line,) = lab.json("ls")
    assert (line["dataset"], line["records"]) == ("data1", 60)
    assert lab.json("audit")["whole"]


def test_a_refused_add_leaves_nothing(lab: Shell) -> None:
    write_scans(lab.folder / "scans", patients=1)
    (lab.folder / "labels.csv").write_text("path,grade\nP000/0.txt,high\n")
    mistakes = (
        (*BY_FOLDER, "--labels", "nowhere.csv"),
        (*BY_FOLDER, "--labels", "labels.csv", "--label-column", "mistyped"),
        (*BY_FOLDER, "--label-column", "grade"),  # no table of the folder has it
        ("--subject-column", "mistyped"),
    )
    for mistake in mistakes:
        lab("add", "scans", "--name", "wrong", *mistake, status=2)
        assert lab.json("ls") == [], mistake
    assert data_inside(lab) == []
    report = lab.json("add", "scans", *BY_FOLDER, "--labels", "labels.csv")
    assert (report["dataset"], report["records"], report["labels"]) == ("data1", 3, 1)
    assert data_inside(lab) == ["data1@1"]


def test_the_subject_column_may_be_that_of_the_labels_alone(lab: Shell) -> None:
    write_scans(lab.folder / "scans")
    (lab.folder / "labels.csv").write_text("patient,grade\nP000,high\nP002,low\n")
    named = ("--labels", "labels.csv", "--subject-column", "patient")
    assert lab.json("add", "scans", *BY_FOLDER, *named)["labels"] == 6


def test_a_folder_of_which_nothing_is_recorded_yet_is_like_any_other(lab: Shell) -> None:
    """Killed while it seals its first file; the next add goes on in the same dataset."""
    (lab.folder / "scans/P000").mkdir(parents=True)
    with (lab.folder / "scans/P000/large").open("wb") as file:
        file.truncate(1 << 30)
    adding = lab.start("add", "scans", *BY_FOLDER)
    wait_until(waiting_for(lab, "SELECT 1 FROM dataset"))
    adding.kill()
    adding.communicate()
    assert lab.sql("SELECT 1 FROM record") == []
    assert lab.json("ls")[0]["unfinished"] == 0
    assert data_inside(lab) == []
    assert lab.json("retract", "data1", "--unfinished")["records"] == 0
    assert "unfinished" not in lab("ls").stdout
    assert "no add of data1 was" in lab("retract", "data1", "--unfinished", status=2).stderr
    with (lab.folder / "scans/P000/large").open("wb") as file:
        file.truncate(1)
    assert lab.json("add", "scans", *BY_FOLDER)["dataset"] == "data1"
    assert data_inside(lab) == ["data1@2"]


def data_inside(lab: Shell) -> list[str]:
    """What a run is given whose working folder is the one that was added."""
    here = replace(lab, folder=lab.folder / "scans")
    return [one["version"] for one in here.json("run", "--", "true")["data"]]

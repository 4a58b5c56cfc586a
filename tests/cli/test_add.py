"""`cloister add`, as typed."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Shell, write_scans


def test_every_entry_is_a_record_or_in_quarantine(lab: Shell) -> None:
    write_scans(lab.folder / "scans")
    (lab.folder / "scans/stray.txt").write_text("whose?\n")
    report = lab.json("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    assert (report["entries"], report["added"]) == (13, 12)
    assert report["quarantined"] == {"no-subject": 1}
    assert (report["version"], report["subjects"], report["records"]) == (1, 4, 12)


def test_what_is_nobodys_is_told_with_the_way_out(lab: Shell) -> None:
    write_scans(lab.folder / "scans", patients=1)
    assert "Add again with --subject-column or --subject-pattern" in lab("add", "scans").stdout
    assert "no pipeline has run yet" in lab("why", "train", status=2).stderr
    for words in (("get", "last"), ("get", "last", "log"), ("ls", "last")):
        assert "there is no run yet" in lab(*words, status=2).stderr
    assert "there is no sweep yet" in lab("sweep", "resume", status=2).stderr


def test_adding_again_changes_nothing(scans: Shell) -> None:
    before = scans.json("ls")
    report = scans.json("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    assert not report["new"]
    assert (report["added"], report["unchanged"]) == (0, 12)
    assert scans.json("ls") == before


def test_a_changed_file_makes_a_version_and_the_old_one_stays(scans: Shell) -> None:
    path = scans.folder / "scans/P001/1.txt"
    old = path.read_text()
    path.write_text("read again\n")
    report = scans.json("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    assert (report["added"], report["superseded"], report["version"]) == (1, 1, 2)
    scans("get", "data1@1", "-o", "before")
    scans("get", "data1", "-o", "after")
    assert (scans.folder / "before/P001/1.txt").read_text() == old
    assert (scans.folder / "after/P001/1.txt").read_text() == "read again\n"
    changes = scans.json("dataset", "diff", "data1@1", "data1@2")
    assert {what: len(found) for what, found in changes.items()} == {
        "added": 1,
        "removed": 1,
        "relabelled": 0,
    }


def test_a_file_that_is_gone_stays_in_the_dataset(scans: Shell) -> None:
    (scans.folder / "scans/P001/1.txt").unlink()
    report = scans.json("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    assert (report["missing"], report["new"], report["records"]) == (1, False, 12)


def test_equal_bytes_of_one_subject_are_stored_once_and_of_two_subjects_twice(
    lab: Shell,
) -> None:
    for path in ("A/1", "A/2", "B/1"):
        (lab.folder / "s" / path).parent.mkdir(parents=True, exist_ok=True)
        (lab.folder / "s" / path).write_text("the same bytes\n")
    lab("add", "s", "--subject-pattern", "^(.)/", "--no-checks")
    rows = lab.json("ls", "data1")
    assert len(rows) == 3
    scrubbed = lab.json("doctor", "--scrub")
    assert next(f for f in scrubbed if f["what"] == "store")["says"].startswith("2 sealed")


def test_a_table_comes_back_byte_identical(lab: Shell) -> None:
    table = lab.folder / "study/table.csv"
    table.parent.mkdir()
    raw = b'\xef\xbb\xbfid,note,y\r\n1,"two\r\nlines",3\r\n2,plain,4\r\n1,again,5'
    table.write_bytes(raw)
    report = lab.json("add", "study", "--subject-column", "id", "--label-column", "y")
    assert (report["subjects"], report["labels"]) == (2, 2)
    lab("get", "data1", "-o", "back")
    assert (lab.folder / "back/table.csv").read_bytes() == raw


def test_labels_from_a_file_of_their_own(scans: Shell) -> None:
    labels = scans.folder / "labels.csv"
    labels.write_text("path,grade\nP001/1.txt,2\nP002/0.txt,3\nP009/9.txt,1\n")
    rules = ("--subject-pattern", "^(P[0-9]+)/", "--labels", "labels.csv")
    report = scans.json("add", "scans", *rules)
    assert (report["labels"], report["label_problems"]) == (2, {"unknown-path": 1})
    assert report["version"] == 2
    assert scans.json("add", "scans", *rules)["labels"] == 0
    labels.write_text("path,grade\nP001/1.txt,1\nP002/0.txt,3\n")
    changed = scans.json("add", "scans", *rules)
    assert (changed["labels"], changed["version"]) == (1, 3)
    assert len(scans.json("dataset", "diff", "data1@2", "data1@3")["relabelled"]) == 1


def test_users_mistakes_are_told_with_the_way_out(scans: Shell) -> None:
    cases = {
        ("add", "nowhere"): (2, "not a folder"),
        ("add", "scans", "--subject-pattern", "(", "--name", "x"): (2, "regular expression"),
        ("add", "scans", "--subject-pattern", "^P", "--name", "x"): (2, "no group"),
        ("add", "scans", "--name", "other", "--subject-pattern", "^(P)"): (2, "data1"),
        ("ls", "nothing"): (2, "data1"),
        ("get", "rec_aaaaaaaaaaaaaaaa"): (2, "no record"),
        ("ad",): (2, "Did you mean add?"),
    }
    for words, (status, says) in cases.items():
        done = scans(*words, status=status)
        assert says in done.stderr, words


def test_an_add_that_cannot_fit_writes_nothing(lab: Shell, tmp_path: Path) -> None:
    folder = lab.folder / "big"
    folder.mkdir()
    with (folder / "sparse.bin").open("wb") as file:
        file.truncate(1 << 43)  # 8 TiB of nothing
    done = lab("add", "big", "--subject-pattern", "(.)", status=2)
    assert "E104" in done.stderr
    assert lab.json("ls") == []

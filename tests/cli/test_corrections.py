"""`cloister retract`, `assign` and `relabel`, as typed."""

from __future__ import annotations

import pytest

from tests.conftest import Shell

PATTERN = ("--subject-pattern", "^(P[0-9]+)/")


def put(shell: Shell, path: str, text: str) -> None:
    place = shell.folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def files(shell: Shell, folder: str, what: str = "data1") -> dict[str, str]:
    """What `get` writes of a version."""
    shell("get", what, "-o", folder)
    place = shell.folder / folder
    found = (path for path in place.rglob("*") if path.is_file())
    return {str(path.relative_to(place)): path.read_text() for path in found}


def test_a_wrong_add_is_taken_back_and_what_it_replaced_is_there_again(scans: Shell) -> None:
    before = scans.json("ls", "data1", "--versions")
    put(scans, "scans/P001/0.txt", "overwritten by mistake\n")
    put(scans, "scans/P777/0.txt", "a patient who should not be here\n")
    put(scans, "scans/stray.txt", "nobody's\n")
    assert scans.json("add", "scans", *PATTERN)["version"] == 2
    scans("ls", "data1")
    gone = scans.json("retract", "data1")
    assert (gone["retracted"], gone["version"]) == (2, 1)
    assert scans.json("ls", "data1", "--versions") == before
    assert scans.json("ls", "data1", "--quarantine") == []
    assert "E101" in scans("dataset", "tag", "data1@2", "x", status=2).stderr
    back = files(scans, "back")
    assert back["P001/0.txt"].startswith("patient 1 scan 0")
    assert "P777/0.txt" not in back
    put(scans, "scans/P002/9.txt", "the right one\n")
    assert scans.json("add", "scans", *PATTERN)["version"] == 3, "numbers are not given twice"
    assert scans.json("audit")["whole"]


def test_labels_of_a_retracted_version_hold_no_more(scans: Shell) -> None:
    put(scans, "right.csv", "path,finding\nP001/0.txt,no\n")
    put(scans, "wrong.csv", "path,finding\nP001/0.txt,yes\nP002/0.txt,yes\n")
    assert scans.json("relabel", "data1", "--labels", "right.csv")["version"] == 2
    assert scans.json("relabel", "data1", "--labels", "wrong.csv")["labels"] == 2
    assert scans.json("relabel", "data1", "--labels", "wrong.csv")["labels"] == 0
    roots = {one["version"]: one["root"] for one in scans.json("ls", "data1", "--versions")}
    scans("retract", "data1@3")
    again = scans.json("relabel", "data1", "--labels", "right.csv")
    assert (again["labels"], again["version"], again["root"]) == (0, 2, roots[2])
    assert scans.json("relabel", "data1", "--labels", "wrong.csv")["version"] == 4
    assert scans.json("audit")["whole"]


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        (("run", "--data", "data1", "--", "true"), "a run was given it"),
        (("get", "data1", "-o", "out"), "it was read"),
        (("dataset", "tag", "data1", "paper"), "it has the tag paper"),
    ],
)
def test_what_was_used_is_not_taken_back(
    scans: Shell, use: tuple[str, ...], reason: str
) -> None:
    scans(*use)
    refused = scans("retract", "data1", status=2).stderr
    assert "E102" in refused
    assert reason in refused


def test_a_record_read_by_itself_keeps_its_version(scans: Shell) -> None:
    [record, *_] = scans.json("trace", "-", typed="P001\n")["records"]
    scans("get", record)
    assert "a record of it was read" in scans("retract", "data1", status=2).stderr


def test_only_the_newest_and_only_within_the_grace_period(scans: Shell) -> None:
    put(scans, "scans/P001/9.txt", "later\n")
    scans("add", "scans", *PATTERN)
    assert "not the newest" in scans("retract", "data1@1", status=2).stderr
    settings = scans.home / "cloister-lab/cloister.toml"
    as_it_was = settings.read_text()
    settings.write_text(as_it_was + "retract_within_hours = 0\n")
    assert "grace period is 0 hours" in scans("retract", "data1", status=2).stderr
    settings.write_text(as_it_was + "retract_within_hours = -1\n")
    assert "E103" in scans("ls", status=2).stderr
    settings.write_text(as_it_was)
    scans("retract", "data1")
    scans("retract", "data1")
    assert "E101" in scans("get", "data1", "-o", "nothing", status=2).stderr
    assert scans.json("add", "scans", *PATTERN)["version"] == 3


def test_quarantined_records_get_their_patient(scans: Shell) -> None:
    put(scans, "scans/inbox/17_a.txt", "a scan of P001 in the wrong folder\n")
    put(scans, "scans/inbox/17_b.txt", "another\n")
    put(scans, "scans/inbox/18.txt", "of somebody new\n")
    assert scans.json("add", "scans", *PATTERN)["quarantined"] == {"no-subject": 3}
    done = scans.json(
        "assign", "data1", "--where-path", "^inbox/17", "--subject", "-", typed="P001\n"
    )
    known = scans.json("subject", "pseudonym", "-", typed="P001\n")["subject"]
    assert (done["records"], done["subject"], done["version"]) == (2, known, 2)
    [left] = scans.json("ls", "data1", "--quarantine")
    new = scans.json(
        "assign", "data1", "--record", left["record"], "--subject", "-", typed="P500\n"
    )
    assert new["version"] == 3
    assert "cannot be taken back" in scans("retract", "data1", status=2).stderr
    back = files(scans, "back")
    assert back["inbox/17_a.txt"] == "a scan of P001 in the wrong folder\n"
    assert back["inbox/18.txt"] == "of somebody new\n"
    assert len(scans.json("trace", "-", typed="P001\n")["records"]) == 5
    again = scans.json("add", "scans", *PATTERN)
    assert (again["new"], again["added"]) == (False, 0), "the folder says nothing new"
    assert scans.json("ls", "data1", "--quarantine") == []
    assert scans.json("audit")["whole"]


def test_what_cannot_be_assigned_is_refused(scans: Shell) -> None:
    put(scans, "scans/inbox/1.txt", "x\n")
    (scans.folder / "scans/inbox/broken").symlink_to("nowhere")
    scans("add", "scans", *PATTERN)
    listed = scans.json("ls", "data1", "--quarantine")
    aside = {one["quarantine"]: one["record"] for one in listed}
    broken = aside["link-broken"]
    subject = ("--subject", "-")

    def refused(*words: str, typed: str = "P001\n", status: int = 2) -> str:
        return scans("assign", "data1", *words, *subject, typed=typed, status=status).stderr

    assert "link-broken" in refused("--record", broken)
    assert "E101" in refused("--record", "rec_aaaaaaaaaaaaaaaa")
    assert "E101" in refused("--where-path", "nothing like this")
    assert "E103" in refused("--where-path", "(")
    assert "E103" in refused()
    provisional = next(o["subject"] for o in listed if o["quarantine"] == "no-subject")
    assert "nobody known" in refused("--record", aside["no-subject"], typed=provisional + "\n")
    gone = scans.json("subject", "pseudonym", "-", typed="P002\n")["subject"]
    scans("erase", gone, "--reason", "withdrawn", "--yes")
    said = refused("--record", aside["no-subject"], typed=gone + "\n", status=5)
    assert "E400" in said


def test_relabel_takes_paths_and_subjects_and_counts_what_it_cannot_use(scans: Shell) -> None:
    put(scans, "more.csv", "patient_id,severity\nP001,3\nP002,1\nP999,2\n")
    words = ("--labels", "more.csv", "--subject-column", "patient_id")
    done = scans.json("relabel", "data1", *words)
    assert (done["labels"], done["version"]) == (6, 2)
    assert done["label_problems"] == {"unknown-subject": 1}
    path = scans.folder / "scans/P003/0.txt"
    put(scans, "absolute.csv", f"path,severity\n{path},7\n")
    assert scans.json("relabel", "data1", "--labels", "absolute.csv")["labels"] == 1
    diff = scans.json("dataset", "diff", "data1@1", "data1@3")
    assert (len(diff["relabelled"]), diff["added"], diff["removed"]) == (7, [], [])
    assert "E101" in scans("relabel", "data9", *words, status=2).stderr

"""`cloister erase` and what it leaves, as typed."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import Shell


def test_an_erased_patient_cannot_be_read_and_the_others_can(scans: Shell) -> None:
    subject = scans.json("subject", "pseudonym", "-", typed="P001\n")["subject"]
    records = scans.json("trace", subject)["records"]
    scans("erase", subject, "--reason", "consent withdrawn", "--yes")
    for record in records:
        assert "E400" in scans("get", record, status=5).stderr
    scans("get", "data1", "-o", "rest")
    assert sorted(path.name for path in (scans.folder / "rest").iterdir()) == [
        "P000",
        "P002",
        "P003",
    ]
    assert scans.json("audit")["whole"]


def test_a_dry_run_changes_nothing(scans: Shell) -> None:
    subject = scans.json("subject", "pseudonym", "-", typed="P001\n")["subject"]
    before = scans.json("trace", subject)
    scans("erase", subject, "--dry-run")
    assert scans.json("trace", subject) == before
    assert before["erased"] is None


def test_an_erased_id_is_unknown_and_may_come_back_as_someone_new(scans: Shell) -> None:
    old = scans.json("subject", "pseudonym", "-", typed="P001\n")["subject"]
    scans("erase", old, "--reason", "withdrawn", "--yes")
    assert "E101" in scans("trace", "-", typed="P001\n", status=2).stderr
    report = scans.json("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    assert report["added"] == 3
    assert scans.json("subject", "pseudonym", "-", typed="P001\n")["subject"] != old


def test_the_reason_may_not_name_the_patient(scans: Shell) -> None:
    done = scans("erase", "-", "--reason", "p001 asked", "--yes", typed="P001\n", status=2)
    assert "E103" in done.stderr
    assert "p001" not in done.stderr.lower()


def test_an_erasure_asks_before_it_destroys(scans: Shell) -> None:
    scans("erase", "-", "--reason", "withdrawn", typed="P001\n", status=2)
    assert scans.json("trace", "-", typed="P001\n")["erased"] is None


def test_linked_names_are_erased_together(scans: Shell) -> None:
    a, b = (
        scans.json("subject", "pseudonym", "-", typed=f"P00{n}\n")["subject"] for n in (1, 2)
    )
    scans("subject", "link", a, b)
    assert len(scans.json("trace", a)["records"]) == 6
    scans("erase", a, "--reason", "withdrawn", "--yes")
    for subject in (a, b):
        assert scans.json("trace", subject)["erased"] is not None


def test_the_certificate_verifies_and_names_nobody(scans: Shell) -> None:
    words = ("--reason", "withdrawn", "--yes", "--certificate", "proof")
    scans("erase", "-", *words, typed="P001\n")
    assert not any(b"P001" in path.read_bytes() for path in (scans.folder / "proof").iterdir())
    scans("verifier", "cloister_verify.py")
    public = scans.home / "cloister-lab/lab.pub"
    done = subprocess.run(
        [sys.executable, "cloister_verify.py", "proof", "--trust", str(public)],
        cwd=scans.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("VERIFIED\n")


def test_older_copies_stay_closed_for_the_erased_and_open_for_others(scans: Shell) -> None:
    import shutil

    subject = scans.json("subject", "pseudonym", "-", typed="P001\n")["subject"]
    shutil.copytree(scans.home / "cloister-lab", scans.folder / "copy")
    keys = next((scans.home / ".local/share/cloister").iterdir())
    shutil.copytree(keys, scans.folder / "keys")
    assert scans.json("readback", "copy", "--subject", subject)["subject"]["readable"] == 3
    scans("erase", subject, "--reason", "withdrawn", "--yes")
    tried = scans.json("readback", "copy", "--subject", subject)
    assert (tried["subject"]["readable"], tried["subject"]["erased"]) == (0, 3)
    assert (tried["sample"]["readable"], tried["sample"]["records"]) == (9, 9)
    assert scans.json("readback", "--keystore", "keys/keystore.db")["opened"] == 0

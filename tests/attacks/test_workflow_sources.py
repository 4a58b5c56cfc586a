"""Claim: a job sees patient data only as records, on record; never the folder they came from.

The source folder often lies in the working folder, where its plaintext would come for free:
unrecorded, with what is in quarantine, and with those who were erased since.
"""

from __future__ import annotations

import tarfile

import pytest

from tests.conftest import Shell, write_scans

PATTERN = ("--subject-pattern", "^(P[0-9]+)/")
READ_ALL = "find . -type f -exec cat {} +"


@pytest.fixture
def project(lab: Shell) -> Shell:
    """Two datasets in the working folder, one with a file in quarantine."""
    for name in ("scans", "more"):
        write_scans(lab.folder / name, patients=2, each=1)
        (lab.folder / name / "stray.txt").write_text(f"stray {name}\n")
        (lab.folder / name / "P001/0.txt").write_text(f"patient 1 of {name}\n")
        lab("add", name, *PATTERN)
    return lab


def test_a_job_that_names_no_data_sees_none(project: Shell) -> None:
    done = project("run", "--", "sh", "-c", READ_ALL, status=None)
    assert "patient" not in done.stdout
    assert "data1" in done.stderr  # the way out


def test_a_job_sees_what_it_was_given_and_no_quarantine(project: Shell) -> None:
    done = project("run", "--data", "data1", "--", "sh", "-c", READ_ALL, status=None)
    assert "patient 1 of scans" in done.stdout
    assert "of more" not in done.stdout
    assert "stray" not in done.stdout


def test_a_job_inside_a_source_folder_gets_the_records_instead(project: Shell) -> None:
    inside = str(project.folder / "more")
    done = project.json("run", "--workdir", inside, "--", "ls")
    assert [one["version"] for one in done["data"]] == ["data2@1"]
    refused = project(
        "run", "--workdir", inside, "--data", "data1", "--", "sh", "-c", READ_ALL, status=2
    )
    assert "--data data2" in refused.stderr


@pytest.mark.parametrize("way", ["link/scans", "{here}/link/scans", "scans/../scans/P001"])
def test_a_folder_named_by_another_way_is_the_same_folder(project: Shell, way: str) -> None:
    (project.folder / "link").symlink_to(".")
    named = way.format(here=project.folder)
    done = project(
        "run", "--", "sh", "-c", 'cat "$0"/P001/0.txt "$0"/0.txt', named, status=None
    )
    assert "patient 1 of scans" in done.stdout
    assert "data1@1 (2 records)" in done.stderr


def test_no_patient_data_goes_into_the_code_that_is_kept(project: Shell) -> None:
    (project.folder / "train.py").write_text("print(1)\n")
    run = project.json("run", "--", "true")["run"]
    project("get", run, "code.tar", "-o", "code.tar")
    with tarfile.open(project.folder / "code.tar") as tar:
        assert tar.getnames() == ["changes.diff", "files/train.py"]


def test_one_dataset_is_given_once(project: Shell) -> None:
    project("dataset", "split", "data1", "fold", "--parts", "a=0.5,b=0.5")
    for other in ("data1", "data1@1", "data1:fold:a"):
        refused = project("run", "--data", "data1", "--data", other, "--", "true", status=2)
        assert "E103" in refused.stderr
    refused = project("run", "--data", "data1:fold:c", "--", "true", status=2)
    assert "fold:a, fold:b" in refused.stderr


def test_a_command_that_is_not_utf8_is_run_and_shown(project: Shell) -> None:
    name = b"na\xefve.txt".decode(errors="surrogateescape")
    (project.folder / name).write_text("here\n")
    assert project("run", "--", "cat", name).stdout == "here\n"
    (line,) = project.json("ls", "--runs")
    assert line["command"].startswith("cat ")

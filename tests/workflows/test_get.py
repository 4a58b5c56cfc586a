"""Reading back: whole or not at all, and never into what is there already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.faults.small_disk import small_disk


@pytest.fixture
def record(scans: Shell) -> str:
    name: str = scans.json("ls", "data1")[0]["record"]
    return name


def reads(shell: Shell) -> list[str]:
    subject = shell.json("ls", "--subjects")[0]["subject"]
    found: list[str] = shell.json("trace", subject)["reads"]
    return found


@pytest.mark.parametrize("target", ["there", "nowhere/x", "there/x", "n" * 300, "/proc/x"])
def test_where_nothing_can_be_written_nothing_is_read(
    scans: Shell, record: str, target: str
) -> None:
    (scans.folder / "there").write_text("mine\n")
    before = reads(scans)
    for words in ((record,), ("data1",)):
        refused = scans("get", *words, "-o", target, status=2)
        assert "E102" in refused.stderr or "E103" in refused.stderr
    assert (scans.folder / "there").read_text() == "mine\n"
    assert reads(scans) == before


def test_a_full_disk_leaves_nothing_half_written(scans: Shell, record: str) -> None:
    big = scans.folder / "scans/P000/big.bin"
    big.write_bytes(os.urandom(12 << 20))
    scans("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    name = next(r["record"] for r in scans.json("ls", "data1") if "big" in r["path"])
    place = scans.folder / "small"
    place.mkdir()
    with small_disk(place, 4) as disk:
        for what, target in ((name, "one"), ("data1", "all")):
            command = [sys.executable, "-m", "cloister", "get", what, "-o", f"small/{target}"]
            done = disk.run(command, cwd=scans.folder, env=scans.environment)
            assert (done.returncode, "E104" in done.stderr) == (2, True), done.stderr
        assert disk.run(["ls", "-A", str(place)]).stdout == ""


def test_a_thousand_folders_come_back(lab: Shell) -> None:
    import resource

    for number in range(1500):
        folder = lab.folder / f"s/P{number % 3}/series{number}"
        folder.mkdir(parents=True)
        (folder / "0").write_text(str(number))
    lab("add", "s", "--subject-pattern", "^(P.)/")
    few = (400, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    lab("get", "data1", "-o", "b", preexec_fn=lambda: resource.setrlimit(7, few))
    assert sum(1 for path in (lab.folder / "b").rglob("0") if path.is_file()) == 1500


def test_a_file_that_became_a_folder_and_a_folder_that_became_a_file(lab: Shell) -> None:
    rules = ("--subject-pattern", "^(P)")
    place = lab.folder / "s"
    (place / "Pb").mkdir(parents=True)
    (place / "Pa").write_text("a file")
    (place / "Pb/1").write_text("in a folder")
    lab("add", "s", *rules)
    (place / "Pa").unlink()
    (place / "Pa").mkdir()
    (place / "Pa/1").write_text("now a folder")
    (place / "Pb/1").unlink()
    (place / "Pb").rmdir()
    (place / "Pb").write_text("now a file")
    assert lab.json("add", "s", *rules)["superseded"] == 2
    for version, expected in (("data1@1", {"Pa", "Pb/1"}), ("data1@2", {"Pa/1", "Pb"})):
        lab("get", version, "-o", version)
        found = {str(p.relative_to(lab.folder / version)) for p in files(lab.folder / version)}
        assert found == expected


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_reader_that_goes_away_is_no_defect(scans: Shell, record: str) -> None:
    command = f"{sys.executable} -m cloister get {record} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=scans.folder,
        env=scans.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout in {"0\n", "141\n"}
    assert "E000" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams_are_no_defect(scans: Shell, record: str, closed: str) -> None:
    for words in (f"get {record}", "ls data1", "run -- echo hello", "--json ls"):
        command = f"{sys.executable} -m cloister {words} {closed}; echo $? > status"
        subprocess.run(
            ["bash", "-c", command], cwd=scans.folder, env=scans.environment, check=True
        )
        status = int((scans.folder / "status").read_text())
        assert status == (2 if words.startswith("get") and ">&-" in closed.split() else 0)


def test_a_job_goes_on_when_nobody_listens_any_more(scans: Shell) -> None:
    job = "for i in 1 2 3 4 5; do echo $i; sleep 0.2; done; echo done > result"
    command = (
        f"{sys.executable} -m cloister run -- sh -c '{job}' | true; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=scans.folder,
        env=scans.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n", done.stderr
    assert scans("get", "last", "result").stdout == "done\n"
    assert scans("get", "last", "log").stdout.startswith("1\n2\n3\n4\n5\n")

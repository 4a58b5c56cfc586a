"""`cloister run`, as typed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.fence.benches import weaker_python

SEE = "import pathlib; print(sorted(str(p) for p in pathlib.Path('scans').rglob('*.txt'))[0])"


def test_the_job_sees_the_data_where_they_were_added_from(scans: Shell) -> None:
    done = scans("run", "--", "python3", "-c", SEE, "scans")
    assert done.stdout == "scans/P000/0.txt\n"
    assert "data1@1 (12 records)" in done.stderr


def test_the_data_need_not_be_there_any_more(scans: Shell) -> None:
    import shutil

    shutil.rmtree(scans.folder / "scans")
    assert scans("run", "--", "python3", "-c", SEE, "scans").stdout == "scans/P000/0.txt\n"


def test_the_exit_status_is_the_jobs_own(scans: Shell) -> None:
    scans("run", "--", "sh", "-c", "exit 7", status=7)
    assert scans.json("ls", "--runs")[-1]["state"] == "failed"


def test_outputs_are_captured_and_the_folder_stays_as_it_was(scans: Shell) -> None:
    before = sorted(os.listdir(scans.folder))
    scans("run", "--", "sh", "-c", "mkdir -p out; echo hi > out/a; echo $(date) > b", "scans")
    assert sorted(os.listdir(scans.folder)) == before
    outputs = {row["path"] for row in scans.json("ls", "last") if row["kind"] == "output"}
    assert outputs == {"out/a", "b"}
    assert scans("get", "last", "out/a").stdout == "hi\n"


def test_the_log_is_kept(scans: Shell) -> None:
    scans("run", "--", "sh", "-c", "echo out; echo err >&2")
    assert sorted(scans("get", "last", "log").stdout.split()) == ["err", "out"]


def test_a_fence_that_is_made_anew_without_a_wall_reads_once(
    scans: Shell, tmp_path: Path
) -> None:
    python = weaker_python(tmp_path, "landlock=EOPNOTSUPP")
    words = ["run", "--fence", "partial", "--", "python3", "-c", SEE, "scans"]
    done = subprocess.run(
        [python, "-m", "cloister", *words],
        cwd=scans.folder,
        env=scans.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "scans/P000/0.txt\n"), done.stderr
    (run,) = scans.json("ls", "--runs")
    reads = "SELECT count(*) FROM read WHERE run = ?"
    assert (run["state"], scans.sql(reads, run["run"])) == ("finished", [(1,)])


def test_a_chosen_version_is_what_the_job_gets(scans: Shell) -> None:
    (scans.folder / "scans/P000/0.txt").write_text("changed\n")
    scans("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    words = ("--", "cat", "scans/P000/0.txt")
    assert scans("run", *words).stdout == "changed\n"
    old = scans("run", "--data", "data1@1", *words).stdout
    assert old.startswith("patient 0 scan 0\n")


def test_a_split_gives_the_job_its_part_only(scans: Shell) -> None:
    parts = scans.json("dataset", "split", "data1", "fold", "--parts", "train=0.5,test=0.5")
    assert sum(parts.values()) == 4
    counted = 0
    for part, number in parts.items():
        done = scans("run", "--data", f"data1:fold:{part}", "--", "ls", "scans")
        assert len(done.stdout.split()) == number
        counted += number
    assert counted == 4


def test_an_erased_patient_is_left_out(scans: Shell) -> None:
    scans("erase", "-", "--reason", "withdrawn", "--yes", typed="P001\n")
    done = scans("run", "--", "ls", "scans")
    assert done.stdout.split() == ["P000", "P002", "P003"]
    assert "3 erased" in done.stderr


def test_a_pickle_is_not_served_and_the_way_out_is_said(scans: Shell) -> None:
    code = "import pickle; pickle.dump([1], open('model.pkl', 'wb'))"
    done = scans("run", "--", "python3", "-c", code)
    assert "not servable" in done.stderr
    failed = scans("serve", "last", status=2)
    assert "ONNX" in failed.stderr


def test_ctrl_c_ends_the_job_and_the_run_is_on_record(scans: Shell) -> None:
    endless = "import time; print('ready', flush=True); time.sleep(600)"
    process = scans.start("run", "--", "python3", "-c", endless, "scans")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert scans.json("ls", "--runs")[-1]["state"] == "failed"


def test_a_killed_run_is_closed_as_interrupted_by_the_next_command(scans: Shell) -> None:
    process = scans.start("run", "--", "sh", "-c", "echo ready; sleep 600", "scans")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.communicate()
    done = scans("ls", "--runs")
    assert "interrupted" in done.stderr
    assert "interrupted" in done.stdout
    assert scans.json("audit")["whole"]


def test_the_interactive_shell_has_a_terminal_and_the_data(scans: Shell) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cloister", "shell", "data1"],
        cwd=scans.folder,
        env=scans.environment | {"SHELL": "/bin/sh", "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        os.write(ours, b"test -t 1 && ls scans | wc -l; exit 3\n")
        said = b""
        with contextlib.suppress(OSError):  # a terminal whose other end is closed
            while chunk := os.read(ours, 4096):
                said += chunk
        assert process.wait(120) == 3, said.decode()
    assert b"4\r\n" in said
    os.close(ours)


def test_a_dataset_nobody_named_is_not_given(scans: Shell) -> None:
    done = scans("run", "--", "sh", "-c", "ls / >/dev/null; echo done")
    assert "none" in done.stderr.split("data")[1].split("\n")[0]


@pytest.mark.parametrize("words", [("run",), ("run", "--"), ("run", "--", "no-such-program")])
def test_a_run_of_nothing_is_a_users_mistake(scans: Shell, words: tuple[str, ...]) -> None:
    assert scans(*words, status=2).stderr


def test_json_is_one_value_on_stdout(scans: Shell) -> None:
    done = scans("--json", "run", "--", "sh", "-c", "echo noise; echo more >&2", "scans")
    report = json.loads(done.stdout)
    assert (report["state"], report["fence"], report["exit_status"]) == ("finished", "full", 0)
    assert report["data"][0]["records"] == 12

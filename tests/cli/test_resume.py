"""`cloister run --resume`: after a real kill, from sealed checkpoints, to the same result."""

from __future__ import annotations

import json

import pytest

from tests.attacks.killing import wait_until
from tests.conftest import Shell
from tests.gates import SHUT, Gate

TRAIN = f"""
import json, os, sys, time
from pathlib import Path

state = Path("out/state.json")
epoch, weight, walked = json.loads(state.read_text()) if state.exists() else [0, 1.0, 0]
if "forgetful" in sys.argv:
    weight = 1.0  # a script that keeps its place, but not its weights
Path("out").mkdir(exist_ok=True)
while epoch < 12:
    weight = weight * 0.9 + epoch / 7
    epoch += 1
    fresh = Path("out/state.new")
    fresh.write_text(json.dumps([epoch, weight, walked]))
    os.replace(fresh, state)
    print("epoch", epoch, flush=True)
    time.sleep(0.1)
    if epoch == 9 and os.path.exists("gate"):  # where it is reproduced there is none
        {SHUT}
Path("metrics.json").write_text(json.dumps({{"weight": weight}}))
"""


@pytest.fixture
def project(scans: Shell) -> Shell:
    """A lab with data, and a script that goes on from its state where it finds one."""
    (scans.folder / "train.py").write_text(TRAIN)
    return scans


def killed(lab: Shell, *words: str) -> str:
    """A run that was killed with its runner once a checkpoint of it was sealed."""
    options = ("--checkpoint", "out/state.json", "--every", "1")
    with Gate(lab.folder).shut():
        process = lab.start("run", *options, "--", "python3", "train.py", "scans", *words)
        assert process.stdout is not None
        assert any("epoch 9" in line for line in process.stdout)
        wait_until(lambda: lab.sql("SELECT 1 FROM run_output WHERE kind = 'checkpoint'"))
        process.kill()
        process.communicate()
    said = lab("ls", "--runs")
    assert "kept: `cloister run --resume" in said.stderr
    run: str = lab.json("ls", "--runs")[-1]["run"]
    return run


def test_a_killed_run_goes_on_to_the_result_of_one_that_was_not(project: Shell) -> None:
    run = killed(project)
    kinds = [row["kind"] for row in project.json("ls", run)]
    assert set(kinds) == {"checkpoint", "log"}
    assert "epoch 9" in project("get", run, "log").stdout
    epoch = json.loads(project("get", run, "out/state.json").stdout)[0]
    assert 1 <= epoch <= 9
    done = project("run", "--resume", run)
    assert done.stdout.splitlines()[0] == f"epoch {epoch + 1}"
    assert "12 records" in done.stderr
    last = project.json("ls", "--runs")[-1]
    assert last["state"] == "finished (resume)"
    assert last["run"] != run
    outputs = {r["path"] for r in project.json("ls", last["run"]) if r["kind"] == "output"}
    assert outputs == {"metrics.json", "out/state.json"}
    found = project.json("reproduce", last["run"])
    assert found["verdict"] == "IDENTICAL"  # with a replay that nothing interrupted
    assert project.json("audit")["whole"]


def test_a_script_that_forgets_is_found_out(project: Shell) -> None:
    run = killed(project, "forgetful")
    project("run", "--resume", run)
    last = project.json("ls", "--runs")[-1]["run"]
    done = project("--json", "reproduce", last, "--no-explain", status=11)
    assert json.loads(done.stdout)["verdict"] == "DIFFERENT"


def test_what_cannot_be_gone_on_with_is_refused(project: Shell) -> None:
    project("run", "--", "true")
    assert "ended well" in project("run", "--resume", "last", status=2).stderr
    project("run", "--", "false", status=1)
    assert "no checkpoint" in project("run", "--resume", "last", status=2).stderr
    project("run", "--resume", "last", "--", "true", status=2)
    project("run", status=2)

"""Sweeps on several machines: the real command line, a real sshd on loopback."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.killing import wait_until
from tests.attacks.ray_cluster import cluster
from tests.cli.gateway import gateway
from tests.cli.test_sweep import DOOR
from tests.conftest import Shell, add_scans, new_lab
from tests.gates import Gate
from tests.recovery.second_box import SecondBox

pytestmark = pytest.mark.xdist_group("far")  # they look for workers of this machine
SECOND, SAME = "ssh:second", "ssh:127.0.0.1"
SCRIPT = """
import argparse, json, time
parser = argparse.ArgumentParser()
parser.add_argument("--data")
parser.add_argument("--x", type=float)
parser.add_argument("--seconds", type=float, default=0)
options = parser.parse_args()
if options.data:
    assert open(options.data + "/P000/0.txt").read()
print("begun", flush=True)
time.sleep(options.seconds)
json.dump({"loss": (options.x - 3) ** 2}, open("metrics.json", "w"))
"""
# Elsewhere there is no gate: it waits there for as long as it lives.
HELD = SCRIPT.replace(
    "time.sleep(options.seconds)",
    """import os
while not os.path.exists("gate") or open("gate").read() == "shut":
    time.sleep(0.05)""",
)
PRUNED = (
    DOOR
    + """
base = float(sys.argv[1].partition("=")[2])
for step in range(4):
    log(base - 0.1 * step, step)
if base > 1:
    time.sleep(600)
"""
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    with new_lab("\n[queue]\nmemory_mib = 256\ncpus = 1\n") as shell:
        add_scans(shell)
        (shell.folder / "train.py").write_text(SCRIPT)
        (shell.folder / "held.py").write_text(HELD)
        (shell.folder / "pruned.py").write_text(PRUNED)
        yield shell


@pytest.fixture
def leaving(tmp_path: Path) -> Path:
    """A Python that a machine can lose."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    path.chmod(0o755)
    return path


def far(shell: Shell, box: SecondBox) -> dict[str, str]:
    """Variables with which ssh finds the second box."""
    return {"PATH": f"{box.path}:{shell.environment['PATH']}"}


def grid(lab: Shell, values: list[float], seconds: float = 0, program: str = "train.py") -> str:
    (lab.folder / "grid.yaml").write_text(
        f"program: {program}\nmethod: grid\nmetric: {{name: loss}}\n"
        f"parameters: {{x: {{values: {values}}}, seconds: {{value: {seconds}}}}}\n"
    )
    return "grid.yaml"


def shown(lab: Shell) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.json("sweep", "show")["trials"]
    return found


def where(lab: Shell, run: str) -> str:
    """Where a run was made, as it says itself."""
    ((kept,),) = lab.sql("SELECT settings FROM run WHERE run = ?", run)
    return str(json.loads(kept).get("where", ""))


def begun(lab: Shell, count: int) -> list[str]:
    """Runs of trials whose commands have begun, once there are so many."""

    def look() -> list[str]:
        rows = lab.sql(
            "SELECT t.run FROM sweep_trial t JOIN run r ON r.run = t.run"
            " WHERE t.state = 'running' AND t.sweep ="
            " (SELECT sweep FROM sweep ORDER BY begun DESC LIMIT 1)"
        )
        return [run for (run,) in rows]

    wait_until(lambda: len(look()) >= count)
    return look()


def test_trials_are_spread_over_machines_and_the_seed_says_what_they_try(
    lab: Shell, box: SecondBox
) -> None:
    (lab.folder / "random.yaml").write_text(
        "program: train.py\nmethod: random\nmetric: {name: loss, goal: minimize}\n"
        "parameters: {data: {value: scans}, x: {min: 0.0, max: 10.0}}\nrun_cap: 2\n"
    )
    words = ("--json", "sweep", "random.yaml", "--seed", "5")
    here = json.loads(lab(*words).stdout)
    local = shown(lab)
    done = lab(*words, "--on", SECOND, "--on", "local", "--jobs", "2", env=far(lab, box))
    found = shown(lab)
    assert json.loads(done.stdout)["best"]["value"] == here["best"]["value"]
    assert [(one["values"], one["value"]) for one in found] == [
        (one["values"], one["value"]) for one in local
    ]
    assert {one["on"] for one in found} == {SECOND, None}
    for one in found:
        assert where(lab, one["run"]).startswith(one["on"] or "") is True
    assert f"at {SECOND}" in done.stderr
    assert f" {SECOND} " in lab("sweep", "show").stdout
    read = "SELECT dataset, number FROM run_input WHERE run = ?"
    assert {lab.sql(read, one["run"])[0] for one in found} == {("data1", 1)}
    (elsewhere,) = [one for one in lab.json("queue", "--ended", "9")["jobs"] if one["on"]][:1]
    assert (elsewhere["on"], elsewhere["cpus"], elsewhere["gpus"]) == (SECOND, 0, 0)
    lab("audit")


@pytest.mark.slow
def test_a_trial_that_was_killed_there_is_tried_again_under_its_number(
    lab: Shell, box: SecondBox
) -> None:
    name = grid(lab, [1, 2], seconds=3)
    sweep = lab.start("--json", "sweep", name, "--on", SECOND, env=far(lab, box))
    (first,) = begun(lab, 1)
    os.kill(box.relays()[0], signal.SIGKILL)
    out, err = sweep.communicate(timeout=150)
    assert sweep.returncode == 0, err
    assert json.loads(out)["trials"] == {"finished": 2}
    assert "moved" in err
    found = shown(lab)
    assert [(one["number"], one["values"]["x"]) for one in found] == [(0, 1), (1, 2)]
    assert found[0]["run"] != first
    assert lab.sql("SELECT state FROM run WHERE run = ?", first) == [("interrupted",)]
    wait_until(lambda: not box.relays())
    lab("audit")


def test_the_trials_of_a_machine_that_is_lost_go_elsewhere(
    lab: Shell, box: SecondBox, leaving: Path
) -> None:
    lossy = f"{SECOND}{leaving}"
    words = ("--on", lossy, "--on", "local", "--jobs", "2")
    name = grid(lab, [1, 2], program="held.py")
    with Gate(lab.folder).shut():
        sweep = lab.start("--json", "sweep", name, *words, env=far(lab, box))
        begun(lab, 2)
        leaving.unlink()
        os.kill(box.relays()[0], signal.SIGKILL)
    out, err = sweep.communicate(timeout=150)
    assert sweep.returncode == 0, err
    assert json.loads(out)["trials"] == {"finished": 2}
    assert {one["on"] for one in shown(lab)} == {None}
    assert err.count("it is asked again") == 1
    assert "its machine does not answer" in err


@pytest.mark.slow
def test_the_controller_is_killed_and_the_sweep_goes_on_at_its_machines(
    lab: Shell, box: SecondBox
) -> None:
    words = ("--on", SECOND, "--on", SAME)
    sweep = lab.start("sweep", grid(lab, [1, 2, 3, 4], 3), *words, env=far(lab, box))
    first = begun(lab, 2)
    sweep.kill()
    sweep.communicate()
    report = lab.json("sweep", "resume", env=far(lab, box))
    assert (report["why"], report["trials"]) == ("grid", {"finished": 4})
    found = shown(lab)
    assert {one["run"] for one in found[:2]} == set(first)
    assert {one["on"] for one in found} == {SECOND, SAME}
    assert lab.sql("SELECT count(*) FROM run WHERE state = 'running'") == [(0,)]


def test_a_trial_elsewhere_is_stopped_by_what_it_logs(lab: Shell, box: SecondBox) -> None:
    (lab.folder / "pruned.yaml").write_text(
        "program: pruned.py\nmethod: grid\nmetric: {name: loss, goal: minimize}\n"
        "parameters: {x: {values: [0.5, 0.6, 5.0]}}\n"
        "early_terminate: {type: hyperband, min_iter: 3, eta: 2}\n"
    )
    report = lab.json("sweep", "pruned.yaml", "--on", SECOND, env=far(lab, box))
    assert report["trials"] == {"finished": 2, "pruned": 1}
    wait_until(lambda: not box.relays())


def test_nothing_begins_where_no_machine_answers_and_no_address_is_guessed(
    lab: Shell, box: SecondBox
) -> None:
    before = lab.sql("SELECT count(*) FROM sweep")
    name = grid(lab, [1])
    nobody = lab("sweep", name, "--on", f"{SECOND}/nowhere/python", status=2, env=far(lab, box))
    assert "no worker at" in nobody.stderr
    wrong = lab("sweep", name, "--on", "second", status=2)
    assert "is no place to run on" in wrong.stderr
    files = lab("sweep", name, "--on", SECOND, "--read", ".", status=2, env=far(lab, box))
    assert "files of this machine" in files.stderr
    more = lab("sweep", name, "--on", SECOND, "--gpus", "99", status=2, env=far(lab, box))
    assert "GPUs to lend, and a trial asks for 99" in more.stderr
    stranger = lab("sweep", name, "--on", "ssh:stranger", status=3, env=far(lab, box))
    assert "is not who it should be" in stranger.stderr
    assert lab.sql("SELECT count(*) FROM sweep") == before


@pytest.mark.slow
def test_a_sweep_whose_machines_are_all_lost_is_interrupted_and_goes_on_elsewhere(
    lab: Shell, box: SecondBox, leaving: Path
) -> None:
    lossy = f"{SECOND}{leaving}"
    sweep = lab.start("--json", "sweep", grid(lab, [1, 2], 4), "--on", lossy, env=far(lab, box))
    begun(lab, 1)
    leaving.unlink()
    os.kill(box.relays()[0], signal.SIGKILL)
    out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 1, err
    report = json.loads(out)
    assert (report["state"], report["why"]) == ("interrupted", "away")
    assert "cloister sweep resume" in err
    again = lab.json("sweep", "resume", "--on", "local")
    assert (again["why"], again["trials"]["finished"]) == ("grid", 2)
    lab("audit")


def test_a_detached_run_elsewhere_is_begun_by_the_service_and_the_queue_says_where(
    lab: Shell, box: SecondBox
) -> None:
    words = ("--", "python", "train.py", "--x", "1", "--data", "scans")
    asked = lab.json("run", "--detach", "--on", SECOND, *words)
    (queued,) = [one for one in lab.json("queue")["jobs"] if one["run"] == asked["run"]]
    assert (queued["on"], queued["cpus"], queued["gpus"]) == (SECOND, 0, 0)
    assert f"on {SECOND}" in lab("queue").stdout
    ended = "SELECT outcome FROM job WHERE run = ? AND state = 'ended'"
    with gateway(lab, env=far(lab, box)):
        wait_until(lambda: bool(lab.sql(ended, asked["run"])))
    assert lab.sql(ended, asked["run"]) == [("finished",)]
    assert where(lab, asked["run"]).startswith(SECOND)
    refused = lab("run", "--detach", "--on", "second", "--", "true", status=2)
    assert "is no place to run on" in refused.stderr


@pytest.mark.slow
def test_trials_run_on_the_nodes_of_a_cluster(lab: Shell) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    with cluster(nodes=2) as ray:
        words = ("--on", ray.address, "--jobs", "2")
        report = lab.json("sweep", grid(lab, [1, 2, 3], 2), *words, env=ray.variables)
    assert report["trials"] == {"finished": 3}
    found = shown(lab)
    assert {one["on"] for one in found} == {ray.address}
    assert all(where(lab, one["run"]).startswith(f"{ray.address} node ") for one in found)


def test_nothing_is_left_on_the_other_machine(box: SecondBox) -> None:
    wait_until(lambda: not box.relays())

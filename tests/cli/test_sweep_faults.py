"""Sweeps through what goes wrong: kills, two at once, stops, numbers that are none."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloister.core.errors import BadInput, Conflict
from tests.cli.gateway import gateway
from tests.conftest import Shell, new_lab
from tests.gates import SHUT, Gate

PATIENCE_S = 150.0
SCRIPT = f"""
import argparse, json, math
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--nan", type=int, default=0)
options = parser.parse_args()
print("begun", flush=True)
{SHUT}
loss = math.nan if options.nan else options.x
json.dump({{"loss": loss}}, open("metrics.json", "w"))
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    """One lab for all tests here; small jobs fit beside one another."""
    with new_lab("\n[queue]\nmemory_mib = 256\ncpus = 1\n") as shell:
        (shell.folder / "train.py").write_text(SCRIPT)
        Gate(shell.folder).open()
        yield shell


@pytest.fixture
def gate(lab: Shell) -> Iterator[Gate]:
    """Where trials wait once they have begun; shut until the test opens it."""
    made = Gate(lab.folder)
    with made.shut():
        yield made


def grid(lab: Shell, values: list[float], more: str = "") -> str:
    """A file that tries these values of x."""
    (lab.folder / "grid.yaml").write_text(
        "program: train.py\nmethod: grid\nmetric: {name: loss}\n"
        f"parameters: {{x: {{values: {values}}}}}\n{more}\n"
    )
    return "grid.yaml"


def until(true: Callable[[], Any]) -> Any:
    end_s = time.monotonic() + PATIENCE_S
    while not (found := true()):
        assert time.monotonic() < end_s, "it did not come about in time"
        time.sleep(0.1)
    return found


def trials(lab: Shell) -> list[tuple[int, str, str]]:
    """Number, run and state of those of the newest sweep."""
    return [
        (number, run, state)
        for number, run, state in lab.sql(
            "SELECT number, run, state FROM sweep_trial WHERE sweep ="
            " (SELECT sweep FROM sweep ORDER BY begun DESC LIMIT 1) ORDER BY number"
        )
    ]


def running(lab: Shell, count: int) -> list[str]:
    """The runs of trials whose commands have begun, once there are so many."""

    def look() -> list[str]:
        runs = [run for _, run, state in trials(lab) if state == "running"]
        begun = [run for run in runs if lab.sql("SELECT 1 FROM run WHERE run = ?", run)]
        return begun if len(begun) >= count else []

    found: list[str] = until(look)
    return found


def holder(lab: Shell, run: str) -> int:
    """The process that performs a run."""
    return int((lab.home / "cloister-lab/locks" / run).read_text().split()[0])


def test_killed_its_trials_go_on_and_none_is_run_twice(lab: Shell, gate: Gate) -> None:
    name = grid(lab, [5, 4, 3, 2])
    before = {sweep for (sweep,) in lab.sql("SELECT sweep FROM sweep")}
    sweep = lab.start("sweep", name, "--jobs", "2", start_new_session=True)
    until(lambda: len(lab.sql("SELECT sweep FROM sweep")) > len(before))
    first = running(lab, 2)
    sweep.kill()
    sweep.communicate()
    noted = lab("sweep", "ls")
    assert "was interrupted: go on with it" in noted.stderr
    assert noted.stdout.count("interrupted") == 1
    gate.open()
    report = lab.json("sweep", "resume", "--jobs", "2")
    assert (report["state"], report["why"]) == ("finished", "grid")
    assert report["trials"] == {"finished": 4}
    found = lab.json("sweep", "show")["trials"]
    assert [one["number"] for one in found] == [0, 1, 2, 3]
    assert sorted(one["values"]["x"] for one in found) == [2, 3, 4, 5]
    assert {one["run"] for one in found[:2]} == set(first)
    begun = Counter(run for (run,) in lab.sql("SELECT run FROM job"))
    assert all(begun[one["run"]] == 1 for one in found)
    assert lab("audit").returncode == 0


def test_a_trial_whose_process_is_killed_has_failed_and_the_sweep_goes_on(
    lab: Shell, gate: Gate
) -> None:
    sweep = lab.start("--json", "sweep", grid(lab, [1, 2]))
    until(lambda: trials(lab) and trials(lab)[0][2] == "running" and len(trials(lab)) == 1)
    (run,) = running(lab, 1)
    os.kill(holder(lab, run), signal.SIGKILL)
    gate.open()
    out, err = sweep.communicate(timeout=PATIENCE_S)
    assert sweep.returncode == 0, err
    assert json.loads(out)["trials"] == {"failed": 1, "finished": 1}
    shown = lab.json("sweep", "show")["trials"]
    assert [(one["state"], one["why"]) for one in shown] == [
        ("failed", "killed"),
        ("finished", ""),
    ]


def test_what_is_no_number_is_no_value(lab: Shell) -> None:
    (lab.folder / "nan.yaml").write_text(
        "program: train.py\nmethod: grid\nmetric: {name: loss}\n"
        "parameters: {x: {value: 2}, nan: {values: [1, 0]}}\n"
    )
    report = lab.json("sweep", "nan.yaml", "--jobs", "2")
    assert report["trials"] == {"failed": 1, "finished": 1}
    first, second = lab.json("sweep", "show")["trials"]
    assert (first["state"], first["why"], first["value"]) == ("failed", "no-number", None)
    assert (second["state"], second["value"]) == ("finished", 2)


def test_two_are_never_at_one_sweep_and_a_stop_lets_what_runs_end(
    lab: Shell, gate: Gate
) -> None:
    sweep = lab.start("--json", "sweep", grid(lab, [1, 2, 3, 4, 5, 6, 7]))
    until(lambda: len([one for one in trials(lab) if one[2] == "running"]) == 1)
    running(lab, 1)
    refused = lab("sweep", "resume", status=Conflict.exit_status)
    assert "another process" in refused.stderr
    assert "is stopping" in lab("sweep", "stop").stdout
    gate.open()
    out, err = sweep.communicate(timeout=PATIENCE_S)
    report = json.loads(out)
    assert sweep.returncode == 0, err
    assert (report["state"], report["why"]) == ("stopped", "asked")
    assert set(report["trials"]) == {"finished"}
    assert report["trials"]["finished"] < 7
    assert "is stopped" in lab("sweep", "stop").stdout


def test_ctrl_c_stops_what_runs_and_a_grid_tries_that_cell_again(
    lab: Shell, gate: Gate
) -> None:
    sweep = lab.start("sweep", grid(lab, [1, 2]))
    until(lambda: len([one for one in trials(lab) if one[2] == "running"]) == 1)
    running(lab, 1)
    sweep.send_signal(signal.SIGINT)
    out, err = sweep.communicate(timeout=PATIENCE_S)
    assert sweep.returncode == 130, (out, err)
    assert [state for _, _, state in trials(lab)] == ["interrupted"]
    assert lab.json("sweep", "show")["state"] == "interrupted"
    again = lab.start("--json", "sweep", "resume")
    until(lambda: len(trials(lab)) == 2)
    running(lab, 1)
    lab("sweep", "stop", "--now")
    out, err = again.communicate(timeout=PATIENCE_S)
    assert json.loads(out)["trials"] == {"interrupted": 2}, err
    assert [one["values"]["x"] for one in lab.json("sweep", "show")["trials"]] == [1, 1]


def test_a_target_ends_it_and_a_count_says_how_many_now(lab: Shell) -> None:
    grid(lab, [9, 8, 1, 7])
    text = (lab.folder / "grid.yaml").read_text()
    aimed = text.replace("{name: loss}", "{name: loss, target: 1.5}")
    (lab.folder / "grid.yaml").write_text(aimed)
    part = lab.json("sweep", "grid.yaml", "--count", "1")
    assert (part["state"], part["why"], part["trials"]) == ("stopped", "count", {"finished": 1})
    whole = lab.json("sweep", "resume")
    assert (whole["state"], whole["why"], whole["trials"]) == (
        "finished", "target", {"finished": 3},
    )  # fmt: skip
    assert whole["best"]["value"] == 1


def test_where_the_service_runs_it_starts_the_trials(lab: Shell) -> None:
    with gateway(lab):
        report = lab.json("sweep", grid(lab, [1, 2]), "--jobs", "2")
        assert report["trials"] == {"finished": 2}


def test_what_this_machine_can_never_run_is_said_and_leaves_no_trial(lab: Shell) -> None:
    words = ("sweep", grid(lab, [1, 2]), "--jobs", "2", "--cpus", "9999")
    refused = lab(*words, status=BadInput.exit_status)
    assert "this machine can never run it" in refused.stderr
    assert trials(lab) == []
    assert lab.json("sweep", "show")["state"] == "interrupted"


def test_a_sweep_whose_experiment_is_deleted_meanwhile_goes_on_to_its_end(
    lab: Shell, gate: Gate
) -> None:
    grid(lab, [4, 3])
    text = (lab.folder / "grid.yaml").read_text()
    (lab.folder / "grid.yaml").write_text(text.replace("metric: {name: loss}\n", ""))
    with gateway(lab) as up:
        sweep = lab.start("--json", "sweep", "grid.yaml")
        running(lab, 1)
        asked = {"experiment_id": str(lab.json("sweep", "show")["experiment"])}
        with up.client() as client:
            assert client.post("/api/2.0/mlflow/experiments/delete", json=asked).is_success
        gate.open()
        out, err = sweep.communicate(timeout=PATIENCE_S)
    assert sweep.returncode == 0, err
    assert json.loads(out)["trials"] == {"finished": 2}
    assert lab("audit").returncode == 0


def test_a_sweep_whose_experiment_was_deleted_says_how_it_can_go_on(lab: Shell) -> None:
    name = grid(lab, [4, 3], more="project: again")
    assert lab.json("sweep", name, "--count", "1")["state"] == "stopped"
    shown = lab.json("sweep", "show")
    number, parent = str(shown["experiment"]), shown["parent"]
    with gateway(lab) as up, up.client() as client:

        def change(what: str, **asked: str) -> None:
            assert client.post(f"/api/2.0/mlflow/{what}", json=asked).is_success

        change("experiments/delete", experiment_id=number)
        refused = lab("sweep", "resume", status=BadInput.exit_status).stderr
        assert f"its experiment {number} was deleted" in refused
        assert f'restore_experiment("{number}")' in refused
        assert lab.json("sweep", "show")["state"] == "stopped"
        anew = lab("sweep", name, status=BadInput.exit_status).stderr
        assert f"tracked in, {number}, was deleted" in anew
        assert "`project: NAME`" in anew
        change("experiments/restore", experiment_id=number)
        change("runs/delete", run_id=parent)
        refused = lab("sweep", "resume", status=BadInput.exit_status).stderr
        assert f'restore_run("{parent}")' in refused
        change("runs/restore", run_id=parent)
    assert lab.json("sweep", "resume")["trials"] == {"finished": 2}

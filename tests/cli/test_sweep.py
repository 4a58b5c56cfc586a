"""Sweeps as a user of W&B meets them: the file they have, a script of argparse, the fence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.attacks.killing import processes_naming
from tests.conftest import Shell, add_scans, new_lab

PATIENCE_S = 90.0
# Its metric lies in a file that it leaves.
QUICK = """
import argparse, json
parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--x", type=float)
parser.add_argument("--n", type=int, default=0)
options = parser.parse_args()
assert open(options.data + "/P000/0.txt").read()
json.dump({"loss": (options.x - 3) ** 2 + options.n}, open("metrics.json", "w"))
print("x is", options.x)
"""
STUDY = """
import optuna

def loss(trial):
    x = trial.suggest_float("x", -5, 5)
    for step in range(4):
        trial.report((x - 1) ** 2 - step, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return (x - 1) ** 2

study = optuna.create_study(
    storage="sqlite:///study.db",
    study_name="mine",
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
)
study.optimize(loss, n_trials=12)
pruned = [one for one in study.trials if one.state.name == "PRUNED"]
print(len(study.trials), "trials,", "some pruned" if pruned else "none pruned")
"""
# Logs as any client of MLflow's protocol does, without one: the door is plain HTTP in there.
DOOR = """
import json, os, sys, time, urllib.request

def post(path, **body):
    request = urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/" + path,
        json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

run = post("runs/create", experiment_id=os.environ["MLFLOW_EXPERIMENT_ID"],
           start_time=int(time.time() * 1000))["run"]["info"]["run_id"]

def log(value, step):
    post("runs/log-metric", run_id=run, key="loss", value=value, step=step,
         timestamp=int(time.time() * 1000))
"""
PRUNED = (
    DOOR
    + """
base = float(sys.argv[1].partition("=")[2])
if base > 1:
    for _ in range(2):
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
for step in range(4):
    log(base - 0.1 * step, step)
if base > 1:
    time.sleep(600)
"""
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    """One lab for all tests here; four small jobs fit beside one another."""
    with new_lab("\n[queue]\nmemory_mib = 256\ncpus = 1\n") as shell:
        add_scans(shell)
        (shell.folder / "quick.py").write_text(QUICK)
        (shell.folder / pruned(shell)).write_text(PRUNED)
        yield shell


def pruned(shell: Shell) -> str:
    """A script whose name stands in no command line of another lab."""
    return f"pruned-{shell.folder.parent.name}.py"


def sweep_file(lab: Shell, name: str, text: str) -> str:
    (lab.folder / name).write_text(text)
    return name


def searching(method: str, more: str = "", parameters: str = "") -> str:
    space = parameters or "  x: {min: 0.0, max: 10.0}\n"
    return (
        f"program: quick.py\nmethod: {method}\nmetric: {{name: loss, goal: minimize}}\n"
        f"parameters:\n  data: {{value: scans}}\n{space}{more}"
    )


def until(true: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s, "it did not come about in time"
        time.sleep(0.2)


def tracked(lab: Shell, sweep: str) -> list[dict[str, str]]:
    """The tags of what its trials tracked."""
    rows = lab.sql(
        "SELECT t.run FROM track_tag t WHERE t.name = 'cloister.sweep' AND t.value = ?", sweep
    )
    found = []
    for (run,) in rows:
        tags = lab.sql("SELECT name, value FROM track_tag WHERE run = ?", run)
        found.append(dict(tags))
    return [tags for tags in found if "cloister.trial" in tags]


def test_a_file_is_searched_to_its_cap_and_the_best_can_be_made_again(lab: Shell) -> None:
    name = sweep_file(lab, "bayes.yaml", searching("bayes", "run_cap: 4\nname: ward\n"))
    done = lab("--json", "sweep", name, "--jobs", "2")
    report = json.loads(done.stdout)
    assert (report["state"], report["why"]) == ("finished", "cap")
    assert report["trials"] == {"finished": 4}
    assert "TPE" in done.stderr
    shown = lab.json("sweep", "show")
    best = min(shown["trials"], key=lambda one: one["value"])
    assert report["best"]["run"] == best["run"] == shown["best"]["run"]
    assert lab.json("sweep", "best")["run"] == best["run"]
    assert f"again  cloister reproduce {best['run']}" in lab("sweep", "best").stdout
    assert best["value"] == pytest.approx((best["values"]["x"] - 3) ** 2)
    assert shown["names"] == ["x"]
    assert [step["best"] for step in shown["course"]] == sorted(
        (step["best"] for step in shown["course"]), reverse=True
    )
    assert lab("reproduce", best["run"]).stdout.startswith("IDENTICAL")
    nested = tracked(lab, report["sweep"])
    assert len(nested) == 4
    assert {tags["mlflow.parentRunId"] for tags in nested} == {report["parent"]}
    assert lab.json("sweep", "ls")[0]["best"] == best["value"]


def test_every_trial_is_a_fenced_run_on_the_versions_of_its_beginning(lab: Shell) -> None:
    name = sweep_file(lab, "random.yaml", searching("random", "run_cap: 1\n"))
    lab("sweep", name)
    run = lab.json("sweep", "show")["trials"][0]["run"]
    ((dataset, number, level),) = lab.sql(
        "SELECT i.dataset, i.number, r.fence FROM run_input i JOIN run r ON r.run = i.run"
        " WHERE i.run = ?",
        run,
    )
    assert (dataset, number) == ("data1", 1)
    assert "full" in str(level)
    params = lab.sql(
        "SELECT p.name FROM track_param p JOIN track_run t ON t.run = p.run WHERE t.fenced = ?",
        run,
    )
    assert {name for (name,) in params} == {"data", "x"}


def test_a_grid_ends_when_every_cell_was_tried(lab: Shell) -> None:
    grid = "  x: {values: [1, 2]}\n  n: {min: 0, max: 1}\n"
    name = sweep_file(lab, "grid.yaml", searching("grid", parameters=grid))
    report = lab.json("sweep", name, "--jobs", "4")
    assert (report["state"], report["why"], report["trials"]) == (
        "finished", "grid", {"finished": 4},
    )  # fmt: skip
    assert report["best"]["values"] == {"data": "scans", "x": 2, "n": 0}
    refused = lab("sweep", "resume", report["sweep"], status=2)
    assert "is finished" in refused.stderr


def test_what_never_logs_its_metric_fails_and_the_sweep_gives_up(lab: Shell) -> None:
    text = searching("random").replace("name: loss", "name: accuracy")
    name = sweep_file(lab, "missing.yaml", text)
    done = lab("--json", "sweep", name, "--jobs", "4", status=1)
    report = json.loads(done.stdout)
    assert (report["state"], report["why"]) == ("failed", "failures")
    assert report["trials"]["failed"] >= 5
    trials = lab.json("sweep", "show")["trials"]
    assert {one["why"] for one in trials} == {"no-metric"}
    assert all(one["run"] in done.stderr for one in trials)  # for `cloister logs`
    assert "no trial of swp_" in lab("sweep", "best", status=None).stderr


def test_what_cannot_be_meant_is_refused_before_any_trial(lab: Shell) -> None:
    before = lab.sql("SELECT COUNT(*) FROM sweep")
    text = searching("random").replace("quick.py", "slow.py")
    refused = lab("sweep", sweep_file(lab, "typo.yaml", text), status=2)
    assert "there is no slow.py in the working folder" in refused.stderr
    assert "did you mean show?" in lab("sweep", "shw", status=2).stderr
    assert lab.sql("SELECT COUNT(*) FROM sweep") == before


def test_keys_that_change_nothing_here_are_said_when_it_begins(lab: Shell) -> None:
    text = searching("random", "run_cap: 1\nkind: sweep\ncontroller: {type: local}\n")
    done = lab("sweep", sweep_file(lab, "local.yaml", text))
    assert "these change nothing here: controller, kind" in done.stderr


def test_an_optuna_study_with_storage_and_pruner_of_its_own_runs_unedited(lab: Shell) -> None:
    (lab.folder / "study.py").write_text(STUDY)
    done = lab("run", "--", "python", "study.py")
    assert "12 trials, some pruned" in done.stdout
    lab("get", "last", "study.db", "-o", "study-again.db")
    assert (lab.folder / "study-again.db").read_bytes().startswith(b"SQLite format 3")


def test_a_pruned_trial_is_stopped_with_all_that_it_started(lab: Shell) -> None:
    text = (
        f"program: {pruned(lab)}\nmethod: grid\n"
        "metric: {name: loss, goal: minimize}\n"
        "early_terminate: {type: hyperband, min_iter: 2, eta: 2}\n"
        "parameters: {x: {values: [0.5, 0.6, 9]}}\n"
    )
    report = lab.json("sweep", sweep_file(lab, "pruned.yaml", text))
    assert report["trials"] == {"finished": 2, "pruned": 1}
    last = lab.json("sweep", "show")["trials"][-1]
    assert (last["state"], last["number"]) == ("pruned", 2)
    assert 2 <= last["logged"] <= 4  # of the first two values nothing can be said
    assert last["value"] == pytest.approx(9 - 0.1 * (last["logged"] - 1))
    assert not processes_naming(pruned(lab))

"""Tasks with data on other machines: the real command line, a real sshd on loopback."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloister.testing.onnx_models import linear
from tests.attacks.killing import wait_until
from tests.conftest import Shell, add_scans, new_lab
from tests.processes import is_below, processes
from tests.recovery.second_box import SecondBox

pytestmark = pytest.mark.xdist_group("far")  # they look for workers of this machine
WARD = '''
import base64, csv, json, os, time, urllib.request
from pathlib import Path
import cloister as cl

def door(path, **body):
    """Logs with MLflow's own protocol; the import of its client takes seconds."""
    asked = None if not body else json.dumps(body).encode()
    address = f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/{path}"
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(address, asked, headers)) as answer:
        return json.load(answer)

@cl.task
def look(scans, labels):
    with labels.open() as file:
        table = list(csv.DictReader(file))
    return {"scans": len(list(Path(scans).rglob("*.txt"))), "labels": len(table)}

@cl.task
def train(seen, scans):
    run = door("runs/create", experiment_id="0")["run"]["info"]["run_id"]
    now = int(time.time() * 1000)
    door("runs/log-metric", run_id=run, key="seen", value=seen["scans"], timestamp=now)
    Path("model.onnx").write_bytes(base64.b64decode("MODEL"))
    logged = door(f"runs/get?run_id={run}")["run"]["data"]["metrics"][0]["value"]
    return {"model": cl.File("model.onnx"), "logged": logged}

with cl.pipeline("ward"):
    scans = cl.dataset("data1")
    train(look(scans, cl.labels_of("data1")), scans)
'''
LONG = """
import time
import cloister as cl

@cl.task(fence="fresh")
def alone():
    time.sleep(SECONDS)
    return "made"

@cl.task(gpu=64)
def greedy(): return 1

with cl.pipeline("long"):
    alone()

with cl.pipeline("greedy"):
    greedy()
"""


@pytest.fixture(scope="module")
def ward(box: SecondBox) -> Iterator[Shell]:
    with new_lab() as shell:
        add_scans(shell)
        (shell.folder / "code").mkdir()
        model = base64.b64encode(linear()).decode()
        (shell.folder / "code/flow.py").write_text(WARD.replace("MODEL", model))
        yield shell


def far(shell: Shell, box: SecondBox) -> dict[str, str]:
    """Variables with which ssh finds the second box."""
    return {"PATH": f"{box.path}:{shell.environment['PATH']}"}


def run(shell: Shell, box: SecondBox, file: str, *words: str) -> Any:
    command = ("pipeline", "run", file, "--workdir", "code", *words)
    return shell.json(*command, env=far(shell, box))


def runs(shell: Shell) -> dict[str, str]:
    return {one["step"]: one["run"] for one in shell.json("pipeline", "show")["tasks"]}


def where(shell: Shell, run: str) -> str:
    ((found, level),) = shell.sql("SELECT settings, fence FROM run WHERE run = ?", run)
    assert json.loads(level)["level"] == "full"
    return str(json.loads(found).get("where", "here"))


def test_a_task_trains_there_on_a_dataset_and_tracks_and_its_model_is_proven(
    ward: Shell, box: SecondBox
) -> None:
    assert run(ward, box, "flow.py", "--on", "ssh:second")["made"] == 2
    made = runs(ward)
    for step in ("look", "train"):
        assert where(ward, made[step]).startswith("ssh:second SHA256:")
    value = ward("get", made["train"], ".cloister/value").stdout
    assert "logged" in value
    tracked = ward.sql("SELECT count(*) FROM track_run WHERE fenced = ?", made["train"])
    assert tracked == [(1,)]
    assert set(made.values()) <= {one["run"] for one in ward.json("trace", "P001")["runs"]}
    ward("prove", made["train"], "-o", "bundle")
    ward("verifier", "cloister_verify.py")
    trust = ["--trust", str(ward.home / "cloister-lab/lab.pub")]
    checked = subprocess.run(
        [sys.executable, "-I", "cloister_verify.py", "bundle", *trust],
        cwd=ward.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert ward.json("reproduce", made["train"])["verdict"] == "IDENTICAL"
    assert run(ward, box, "flow.py")["made"] == 0  # the same libraries: used again here


def test_an_erasure_reaches_what_was_made_there(ward: Shell, box: SecondBox) -> None:
    run(ward, box, "flow.py", "--on", "ssh:second")
    before = runs(ward)
    ward("erase", "-", "--reason", "withdrawn", "--yes", typed="P001\n")
    flagged = {one["run"]: one for one in ward.json("ls", "--runs")}
    assert all("tainted" in flagged[one]["state"] for one in before.values())
    assert run(ward, box, "flow.py", "--on", "ssh:second")["made"] == 2
    ward("audit")


def calls() -> set[int]:
    """Who makes a call in a fence of its own, for whatever test of this interpreter."""
    mine = os.fsencode(sys.executable)
    return {pid for pid, words in processes() if mine in words and b"/cloister/task" in words}


def calls_at(box: SecondBox) -> set[int]:
    return {pid for pid in calls() if is_below(pid, box.process.pid)}


def test_a_call_of_a_machine_that_goes_away_is_made_on_another(
    ward: Shell, box: SecondBox
) -> None:
    (ward.folder / "code/long.py").write_text(LONG.replace("SECONDS", "6"))
    command = (
        "long.py:long",
        "--workdir",
        "code",
        "--on",
        "ssh:second",
        "--on",
        "ssh:127.0.0.1",
    )
    running = ward.start("--json", "pipeline", "run", *command, env=far(ward, box))
    config = Path(box.path).parent / "config"
    known = config.read_text()
    try:
        wait_until(lambda: calls_at(box))
        made = calls_at(box)
        config.write_text(known.replace(f" Port {box.port}\n User", " Port 1\n User"))
        for pid, words in processes():
            if b"\0second\0" in words and is_below(pid, running.pid):
                os.kill(pid, signal.SIGKILL)
        out, err = running.communicate(timeout=150)
    finally:
        config.write_text(known)
        running.kill()
    assert running.returncode == 0, err
    assert json.loads(out)["made"] == 1
    tried = ward.sql(
        "SELECT run.state, settings FROM run JOIN flow_attempt USING (run)"
        " WHERE flow = ? ORDER BY run.begun",
        json.loads(out)["flow"],
    )
    places = [(state, json.loads(text)["where"].split()[0]) for state, text in tried]
    assert places[0] == ("interrupted", "ssh:second")
    assert places[-1] == ("finished", "ssh:127.0.0.1")
    wait_until(lambda: not (calls_at(box) or calls() & made))


def test_what_no_machine_has_is_said(ward: Shell, box: SecondBox) -> None:
    (ward.folder / "code/long.py").write_text(LONG.replace("SECONDS", "0"))
    command = ("pipeline", "run", "long.py:greedy", "--workdir", "code")
    refused = ward(*command, "--on", "ssh:second", status=1, env=far(ward, box))
    assert "failed: greedy: BadInput" in refused.stderr
    assert "greedy" in ward(*command, status=2).stderr  # here it is known before it begins

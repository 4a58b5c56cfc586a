"""Pipelines begun by the service: asked for in a browser, or due; killed, none runs twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.attacks.killing import processes_naming
from tests.cli.gateway import Gateway, gateway
from tests.conftest import Shell, add_scans, new_lab
from tests.gates import SHUT, Gate

FLOW = """
import time
import cloister as cl

@cl.task
def numbers():
    time.sleep(0.1)
    return [1, 2, 3]

@cl.task
def total(values, more):
    if more < 0:
        raise ValueError("no more")
    return sum(values) + more

@cl.task
def tell(value):
    return f"{value}"

with cl.pipeline("sums"):
    more = cl.param("more", 0)
    tell(total(numbers(), more))

@cl.task(cache=False)
def tick(due):
    time.sleep(0.2)
    return due

with cl.pipeline("clock", on=cl.every(seconds=10), misfire="all"):
    due = cl.param("due", "")
    tick(due)
"""


FRESH = """
import cloister as cl

@cl.task
def count(scans):
    return len(list(scans.rglob("*.txt")))

with cl.pipeline("fresh", on=cl.asset("dataset:data1")):
    count(cl.dataset("data1"))
"""

SINGLE = f"""
import cloister as cl

@cl.task
def held():
    {SHUT}

with cl.pipeline("single", max_active_runs=1):
    held()
"""

LONG = f"""
import subprocess, sys
import cloister as cl

def hold(where):
    sleep = [sys.executable, "-c", "import time; time.sleep(600)", "MARK-" + where]
    child = subprocess.Popen(sleep)
    {SHUT}
    child.kill()

@cl.task
def first(): return 1

@cl.task
def warm(one): hold("warm")

@cl.task(fence="fresh", idempotent=True)
def alone(one): hold("fresh")

with cl.pipeline("long"):
    one = first()
    warm(one)
    alone(one)
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    with new_lab() as shell:
        (shell.folder / "code").mkdir()
        (shell.folder / "code/flow.py").write_text(FLOW)
        (shell.folder / "code/long.py").write_text(LONG.replace("MARK", mark(shell)))
        (shell.folder / "code/single.py").write_text(SINGLE)
        yield shell


@pytest.fixture
def gate(lab: Shell) -> Iterator[Gate]:
    """Where tasks of `long` and `single` wait; shut until the test opens it."""
    made = Gate(lab.folder / "code")
    with made.shut():
        yield made


def mark(shell: Shell) -> str:
    """What stands in the command lines of processes that tasks of this lab began."""
    return f"sleeps-{shell.folder.parent.name}"


@pytest.fixture(scope="module")
def up(lab: Shell) -> Iterator[Gateway]:
    with gateway(lab, "--folder", str(lab.folder / "code")) as made:
        yield made


@pytest.fixture
def client(up: Gateway) -> Iterator[httpx.Client]:
    with up.client() as client:
        yield client


def ended(client: httpx.Client, flow: str) -> dict[str, Any]:
    """The run, once it is over."""
    until = time.monotonic() + 120
    while True:
        answer = client.get(f"/api/1/flows/{flow}")
        if answer.status_code == 200 and answer.json()["line"]["state"] != "running":
            found: dict[str, Any] = answer.json()
            return found
        assert time.monotonic() < until, answer.text
        time.sleep(0.1)


def state(client: httpx.Client, flow: str) -> str:
    return str(client.get(f"/api/1/flows/{flow}").json()["line"]["state"])


def states(found: dict[str, Any]) -> dict[str, str]:
    return {one["title"]: one["state"] for one in found["nodes"]}


def test_a_pipeline_is_run_with_parameters_from_a_step_on_and_goes_on(
    lab: Shell, client: httpx.Client
) -> None:
    where = {"folder": str(lab.folder / "code"), "file": "flow.py", "pipeline": "sums"}
    answer = client.post("/api/1/flows", json={**where, "parameters": {"more": "4"}})
    assert answer.status_code == 201, answer.text
    first = answer.json()["flow"]
    found = ended(client, first)
    assert states(found) == {"numbers": "done", "total": "done", "tell": "done"}
    assert found["parameters"][0]["value"] == 4
    again = client.post(f"/api/1/flows/{first}/again", json={"from": ["total"]}).json()
    assert states(ended(client, again["flow"])) == {
        "numbers": "reused",
        "total": "done",
        "tell": "done",
    }
    assert client.post(f"/api/1/flows/{first}/resume", json={}).status_code == 400
    chosen = {"parameters": {"more": "-1"}}
    broken = client.post(f"/api/1/flows/{first}/again", json=chosen).json()["flow"]
    assert states(ended(client, broken))["total"] == "failed"
    answer = client.post(f"/api/1/flows/{broken}/resume", json={})
    assert answer.status_code == 201, answer.text
    found = ended(client, broken)
    assert states(found) == {"numbers": "reused", "total": "failed", "tell": "blocked"}
    assert len([one for one in found["bars"] if one["name"] == "total"]) == 2


def test_what_cannot_begin_says_why(lab: Shell, client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    (lab.folder / "flow.py").write_text(FLOW)
    (lab.folder / "code/bad.py").write_text("1 / 0\n")
    code = str(lab.folder / "code")
    for said, why in (
        ({"folder": str(tmp_path), "file": "flow.py"}, "do not work in that folder"),
        ({"folder": code, "file": "../flow.py"}, "no such file"),
        ({"folder": code, "file": "bad.py"}, "ZeroDivisionError"),
        ({"folder": code, "file": "flow.py"}, "flow.py defines sums, clock"),
    ):
        answer = client.post("/api/1/flows", json=said)
        assert answer.status_code == 400, answer.text
        assert why in answer.text
    said = {"folder": code, "file": "flow.py", "pipeline": "sums"}
    flow = client.post("/api/1/flows", json=said).json()["flow"]
    ended(client, flow)
    answer = client.post(f"/api/1/flows/{flow}/again", json={"parameters": {"less": "1"}})
    assert "no parameter less" in answer.text


def test_new_data_start_what_waits_for_them_while_the_service_is_up(
    lab: Shell, client: httpx.Client
) -> None:
    add_scans(lab)
    (lab.folder / "code/fresh.py").write_text(FRESH)
    lab("pipeline", "schedule", "fresh.py", "--workdir", "code")
    waits = client.get("/api/1/pipelines/fresh").json()["line"]["schedule"]
    assert (waits["next"], waits["because"]) == (None, "something new in dataset:data1")
    assert client.post("/api/1/pipelines/fresh/schedule/pause").status_code == 204
    assert lab.json("pipeline", "schedules")[0]["paused"]
    (lab.folder / "scans/P000/new.txt").write_text("one more\n")
    lab("add", "scans", "--subject-pattern", "^(P[0-9]+)/", "--name", "data1")
    runs: list[dict[str, Any]] = []

    def began() -> bool:
        runs[:] = client.get("/api/1/pipelines/fresh/flows").json()["items"]
        return bool(runs)

    time.sleep(4.5)  # it is looked for every two seconds
    assert not began()
    assert lab.json("pipeline", "unpause", "fresh")["paused"] is None
    until(began)
    assert runs[0]["reason"] == "dataset:data1"
    assert states(ended(client, runs[0]["flow"])) == {"count": "done"}
    step = client.get(f"/api/1/flows/{runs[0]['flow']}/step", params={"step": "count"}).json()
    assert step["own_fence"]  # it takes data, and did not ask for one
    begun = client.post("/api/1/pipelines/fresh/schedule/run", json={}).json()
    assert states(ended(client, begun["flow"])) == {"count": "reused"}
    now = lab.json("pipeline", "now", "fresh")
    assert (now["state"], now["reused"]) == ("finished", 1)
    assert client.delete("/api/1/pipelines/fresh/schedule").status_code == 204
    assert lab.json("pipeline", "schedules") == []


def sleepers(shell: Shell) -> int:
    """How many tasks of `long` have begun to wait and are not over."""
    return len(processes_naming(mark(shell)))


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_a_run_is_stopped_whole_and_goes_on_where_it_was(
    lab: Shell, client: httpx.Client, gate: Gate
) -> None:
    said = {"folder": str(lab.folder / "code"), "file": "long.py", "pipeline": "long"}
    flow = client.post("/api/1/flows", json=said).json()["flow"]
    until(lambda: sleepers(lab) == 2)
    answer = client.post(f"/api/1/flows/{flow}/stop", json={})
    assert (answer.status_code, answer.json()["flow"]) == (202, flow)
    assert ended(client, flow)["line"]["state"] == "stopped"
    until(lambda: not sleepers(lab))
    settled = {"first": "done", "warm": "stopped", "alone": "stopped"}
    until(lambda: states(client.get(f"/api/1/flows/{flow}").json()) == settled)
    until(lambda: lab.json("queue")["jobs"] == [])
    assert client.post(f"/api/1/flows/{flow}/stop", json={}).json()["state"] == "stopped"
    gate.open()
    assert client.post(f"/api/1/flows/{flow}/resume", json={}).status_code == 201
    found = ended(client, flow)
    assert found["line"]["state"] == "finished"
    assert states(found) == {"first": "done", "warm": "done", "alone": "done"}


def test_a_run_too_many_is_seen_waiting_and_stopped(
    lab: Shell, client: httpx.Client, gate: Gate
) -> None:
    said = {"folder": str(lab.folder / "code"), "file": "single.py"}
    first, second = (client.post("/api/1/flows", json=said).json() for _ in range(2))
    assert (first["waits"], second["waits"]) == (False, True)
    page = client.get(f"/api/1/flows/{second['flow']}").json()
    assert (page["line"]["state"], page["line"]["waits"]) == ("waiting", "1 of it at a time")
    assert states(page) == {"held": "not begun"}
    newest = client.get("/api/1/pipelines/single/flows").json()["items"][0]
    assert newest == page["line"]
    client.post(f"/api/1/flows/{second['flow']}/stop", json={})
    until(lambda: state(client, second["flow"]) == "stopped")
    client.post(f"/api/1/flows/{first['flow']}/stop", json={})
    assert ended(client, first["flow"])["line"]["state"] == "stopped"


def test_a_run_whose_process_was_killed_is_stopped_by_saying_so(
    lab: Shell, client: httpx.Client, gate: Gate
) -> None:
    process = lab.start("--json", "pipeline", "run", "long.py", "--anew", "--workdir", "code")
    until(lambda: sleepers(lab) == 2)
    process.kill()
    process.communicate()
    flow = client.get("/api/1/pipelines/long/flows").json()["items"][0]["flow"]
    assert client.post(f"/api/1/flows/{flow}/stop", json={}).json()["state"] == "stopped"
    assert lab.json("pipeline", "stop", flow) == {"flow": flow, "state": "stopped"}
    assert lab.json("audit")["whole"]


@pytest.mark.slow
def test_a_service_that_is_killed_begins_nothing_twice() -> None:
    """Killed -9 again and again while a pipeline is due every ten seconds: each time once."""
    with new_lab() as lab:
        (lab.folder / "code").mkdir()
        (lab.folder / "code/flow.py").write_text(FLOW)
        killed_again_and_again(lab)


def killed_again_and_again(lab: Shell) -> None:
    lab("pipeline", "schedule", "flow.py:clock", "--workdir", "code")
    until = time.monotonic() + 26
    while time.monotonic() < until:
        with gateway(lab, "--folder", str(lab.folder / "code")) as made:
            time.sleep(4)
            made.process.kill()
    lab("pipeline", "unschedule", "clock")
    flows = [one for one in lab.json("pipeline", "ls") if one["pipeline"] == "clock"]
    dues = [lab.json("pipeline", "show", one["flow"])["due"] for one in flows]
    assert len(dues) >= 2
    assert len(set(dues)) == len(dues)
    assert {one["reason"] for one in flows} == {"every 10 s"}
    lab("audit")

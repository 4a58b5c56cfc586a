"""Attacks through pipelines: on the scheduler, on neighbours, on what was erased or damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.gateway import gateway
from tests.conftest import Shell, add_scans, new_lab

FLOW = """
import os, sys, socket
from pathlib import Path
import cloister as cl

Path("/tmp/outside").write_text("read")  # at definition, in the fence

@cl.task
def names(scans):
    return sorted(p.parent.name for p in Path(scans).rglob("*.txt"))

@cl.task
def count(of):
    return len(of)

@cl.task
def look():
    homes = os.path.exists("HOME")
    scans = os.path.exists("SCANS")
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
        out = True
    except OSError:
        out = False
    open_to_it = sorted(os.listdir("/proc/self/fd"))
    try:
        Path(f"/proc/{os.getppid()}/mem").open("rb").close()
        memory = True
    except OSError:
        memory = False
    return {"homes": homes, "scans": scans, "out": out, "memory": memory,
            "open": len(open_to_it)}

with cl.pipeline("ward"):
    count(names(cl.dataset("data1")))
    look()
"""
TRACKED = """
import cloister as cl

def logged(worth):
    import mlflow
    mlflow.log_metric("worth", worth)  # and nothing is set up, begun or ended
    return mlflow.active_run().info.run_id

@cl.task
def fit(depth): return logged(depth)

@cl.task
def poke(theirs):
    '''What it reaches of the others by MLflow's client.'''
    import mlflow
    client, reached = mlflow.MlflowClient(), []
    mine = logged(0)
    for one in theirs:
        for act in (client.get_run, lambda run: client.log_metric(run, "worth", 99),
                    lambda run: client.set_tag(run, "k", "v"), client.delete_run):
            try:
                act(one)
                reached.append(one)
            except mlflow.exceptions.MlflowException:
                pass
    reached += [one.info.run_id for one in client.search_runs(["0"]) if one.info.run_id != mine]
    return f"reached {reached}"

with cl.pipeline("tracked"):
    poke([fit(3)])
"""
GUESSED = "Pomegranate-7"


@pytest.fixture(scope="module")
def ward() -> Iterator[Shell]:
    with new_lab() as shell:
        add_scans(shell)
        (shell.folder / "code").mkdir()
        text = FLOW.replace("SCANS", str(shell.folder / "scans")).replace(
            "HOME", str(shell.home)
        )
        (shell.folder / "code/flow.py").write_text(text)
        yield shell


def run(shell: Shell, file: str = "flow.py", *words: str) -> dict[str, object]:
    found: dict[str, object] = shell.json("pipeline", "run", file, "--workdir", "code", *words)
    return found


def rows(shell: Shell) -> dict[str, dict[str, object]]:
    return {one["step"]: one for one in shell.json("pipeline", "show")["tasks"]}


def test_the_file_is_read_and_tasks_are_made_in_the_fence(ward: Shell) -> None:
    run(ward)
    assert not Path("/tmp/outside").exists()
    import msgpack

    text = ward("get", str(rows(ward)["look"]["run"]), ".cloister/value").stdout
    seen = msgpack.unpackb(text.encode("utf-8", "surrogateescape"))
    assert seen == {"homes": False, "scans": False, "out": False, "memory": False,
                    "open": seen["open"]}  # fmt: skip
    assert seen["open"] <= 5  # its three, its answer, and the listing itself


def test_an_erased_patients_results_are_not_used_again(ward: Shell) -> None:
    run(ward)
    again = run(ward)
    assert (again["made"], again["reused"]) == (0, 3)
    ward("erase", "-", "--reason", "withdrawn", "--yes", typed="P000\n")
    after = run(ward)
    # names read the data, count took what it gave; look has nothing to do with it
    assert (after["made"], after["reused"]) == (2, 1)
    traced = ward.json("trace", "P001")
    assert {one["run"] for one in traced["runs"]} >= {
        row["run"] for name, row in rows(ward).items() if name != "look"
    }


DAMAGED = f'''
import cloister as cl
@cl.task
def secret(): return "{GUESSED}" * 10
@cl.task
def use(x, times): return x * times
with cl.pipeline("damaged"):
    use(secret(), cl.param("times", 1))
'''


def test_a_damaged_result_is_refused_and_made_again(ward: Shell) -> None:
    (ward.folder / "code/damaged.py").write_text(DAMAGED)
    run(ward, "damaged.py")
    first = str(rows(ward)["secret"]["run"])
    damage(ward, first)
    again = run(ward, "damaged.py", "-p", "times=2")
    assert (again["state"], again["made"], again["reused"]) == ("finished", 2, 1)
    found = rows(ward)
    assert found["secret"]["run"] != first
    text = ward("get", str(found["use"]["run"]), ".cloister/value").stdout
    assert text.endswith(GUESSED * 20)


def damage(shell: Shell, run: str) -> None:
    """Flips bytes of whatever object a run left as its value, on the disk."""
    names = [row[0] for row in shell.sql("SELECT object FROM run_output WHERE run = ?", run)]
    placed = shell.sql("SELECT * FROM placement")
    lab = shell.home / "cloister-lab"
    for blob in lab.rglob("*"):
        if blob.is_file() and blob.suffix not in {".db", ".toml", ".pub", ".pem"}:
            content = blob.read_bytes()
            for row in placed:
                if row[0] in names and str(row[1]) in str(blob):
                    start = int(row[2])
                    broken = bytearray(content)
                    for place in range(start + 60, start + 64):
                        broken[place] ^= 0xFF
                    blob.chmod(0o600)
                    blob.write_bytes(broken)
                    return
    raise AssertionError(placed[:1])


def test_the_ledger_holds_no_value_no_argument_and_no_guessable_digest(ward: Shell) -> None:
    import hashlib

    import msgpack

    (ward.folder / "code/damaged.py").write_text(DAMAGED)
    run(ward, "damaged.py", "-p", "times=3")
    leaves = b"".join(bytes(row[0]) for row in ward.sql("SELECT leaf FROM ledger_leaf"))
    assert json.dumps("task.begun").encode() in leaves
    value = msgpack.packb(GUESSED * 10)
    for guess in (GUESSED.encode(), hashlib.sha256(value).hexdigest().encode()):
        assert guess not in leaves


ACROSS = """
import cloister as cl
@cl.task(outlets="model:theirs")
def make(): return "what the others made"
@cl.task
def take(value): return value
with cl.pipeline("maker"):
    make()
with cl.pipeline("taker"):
    take(cl.made("model:theirs"))
"""


def test_a_task_that_tracks_does_so_as_its_own_run_and_reaches_no_other(ward: Shell) -> None:
    """Else who took a value of a patient could log as one who took none, unnoticed."""
    (ward.folder / "code/tracked.py").write_text(TRACKED)
    run(ward, "tracked.py")
    made = {step: str(one["run"]) for step, one in rows(ward).items()}
    events = [json.loads(leaf) for (leaf,) in ward.sql("SELECT leaf FROM ledger_leaf")]
    begun = [one["body"] for one in events if one["type"] == "tracked.begun"]
    tracked = {one["run"]: one["tracked"] for one in begun}
    assert set(tracked) == set(made.values())
    assert ward("get", made["poke"], ".cloister/value").stdout[1:] == "reached []"
    with gateway(ward) as up, up.client() as client:
        asked = {"run_id": tracked[made["fit"]]}
        found = client.get("/api/2.0/mlflow/runs/get", params=asked).json()["run"]
    assert found["info"]["status"] == "FINISHED"
    worths = [one["value"] for one in found["data"]["metrics"] if one["key"] == "worth"]
    assert worths == [3.0]
    ward("audit")


def test_what_another_project_made_counts_as_not_made(ward: Shell) -> None:
    (ward.folder / "code/across.py").write_text(ACROSS)
    for name in ("a", "b"):
        ward("project", "create", name)
    words = ("--json", "pipeline", "run", "--workdir", "code")
    ward("--project", "a", *words, "across.py:maker")
    refused = ward("--project", "b", *words, "across.py:taker", status=1)
    assert "nothing has made model:theirs yet" in refused.stdout
    given = ward("--project", "a", *words, "across.py:taker")
    assert json.loads(given.stdout)["made"] == 1

"""Pipelines take turns: their workers and fresh tasks are lent what `run` would be lent."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell, add_scans, new_lab
from tests.gates import Gate

CPUS = len(os.sched_getaffinity(0))
FLOW = """
import os, time
from pathlib import Path
import cloister as cl

@cl.task
def before(n): return n

@cl.task
def count(scans, n): return len(list(scans.rglob("*.txt"))) + n

@cl.task
def after(x):
    while open("gate").read() == "shut": time.sleep(0.05)
    return x

@cl.task(gpu=1, cache=False)
def learn(n):
    time.sleep(0.2)
    return os.environ["CUDA_VISIBLE_DEVICES"]

@cl.task(cache=False)
def prepare(): return [1, 2], os.environ.get("CUDA_VISIBLE_DEVICES")

@cl.task
def first(both): return both[0]

with cl.pipeline("turns"):
    after(count(cl.dataset("data1"), before(cl.param("n", 1))))

with cl.pipeline("gpus"):
    learn.map(first(prepare()))
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    """What says nothing is lent all processors, so no two jobs run at a time."""
    with new_lab(f"\n[queue]\ncpus = {CPUS}\nmemory_mib = 256\n") as shell:
        add_scans(shell)
        (shell.folder / "code").mkdir()
        (shell.folder / "code/flow.py").write_text(FLOW)
        Gate(shell.folder / "code").open()
        yield shell


def pipeline(*words: str) -> tuple[str, ...]:
    return ("pipeline", "run", "flow.py:turns", "--workdir", "code", *words)


def jobs(lab: Shell, ended: int = 50) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.json("queue", "--ended", str(ended))["jobs"]
    return found


def until_it_waits(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    while "for its turn" not in (line := process.stderr.readline()):
        assert line


def test_two_pipelines_whose_parts_do_not_fit_together_both_end(lab: Shell) -> None:
    both = [lab.start("--json", *pipeline("-p", f"n={n}", "--anew")) for n in (1, 2)]
    for one in both:
        out, err = one.communicate(timeout=120)
        assert one.returncode == 0, err
        assert '"state": "finished"' in out
    found = jobs(lab)
    assert {one["state"] for one in found} == {"finished"}
    commands = [one["command"] for one in found]
    assert commands.count("cloister task count") == 2
    # The worker gave its part back while the task was made, and asked for it again.
    assert commands.count("cloister pipeline flow.py") == 4
    assert overlapping(lab) == []


def overlapping(lab: Shell, gpus: int = 0) -> list[tuple[Any, ...]]:
    """Pairs of jobs that had their parts of the machine at the same time."""
    return lab.sql(
        "SELECT a.run, b.run FROM job a JOIN job b ON a.run < b.run"
        " WHERE a.started < b.ended AND b.started < a.ended"
        f" AND a.gpus >= {gpus} AND b.gpus >= {gpus}"
    )


@pytest.mark.file_database
def test_a_pipeline_waits_for_its_turn_and_one_that_is_stopped_goes_on_later(
    lab: Shell,
) -> None:
    with Gate(lab.folder / "code").shut():
        process = lab.start(*pipeline("-p", "n=3"))
        until_the_last_step(lab)
        second = lab.start("run", "--", "echo", "mine")
        until_it_waits(second)
        third = lab.start(*pipeline("-p", "n=4"))
        until_it_waits(third)
        rows = jobs(lab, 0)
        assert [one["state"] for one in rows] == ["running", "queued", "queued"]
        lab("stop", rows[0]["run"])
        assert process.wait(120) != 0
    assert second.communicate(timeout=120)[0] == "mine\n"
    assert third.wait(120) == 0
    third.communicate()
    process.communicate()
    flows = {one["flow"]: one["state"] for one in lab.json("pipeline", "ls")}
    stopped = next(flow for flow, state in flows.items() if state == "interrupted")
    assert lab.json("pipeline", "resume", stopped)["state"] == "finished"
    assert lab.json("queue")["jobs"] == []
    assert lab.json("audit")["whole"]


def until_the_last_step(lab: Shell) -> None:
    """Until it is made in the worker, whose second turn that is."""
    begun = (
        "SELECT 1 FROM flow_attempt a JOIN flow ON flow.flow = a.flow"
        " WHERE flow.state = 'running' AND a.step = 2"
    )
    deadline_s = time.monotonic() + 120
    while not lab.sql(begun):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_what_can_never_be_lent_is_said_when_the_file_is_read(lab: Shell) -> None:
    gpus = ("pipeline", "run", "flow.py:gpus", "--workdir", "code")
    said = lab(*gpus, status=2).stderr
    assert "learn: this machine can never run it: it asks for 1 GPUs, and there are 0" in said


def test_tasks_take_turns_at_a_gpu_and_see_no_other(lab: Shell, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: a GPU's library cannot be made")
    source = Path(__file__).parent.parent / "faults/one_gpu.c"
    library = tmp_path / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    found = lab.json(
        "pipeline", "run", "flow.py:gpus", "--workdir", "code",
        env={"LD_LIBRARY_PATH": str(tmp_path)},
    )  # fmt: skip
    assert (found["state"], found["made"]) == ("finished", 4)
    leases = lab.sql("SELECT lease FROM job WHERE gpus = 1")
    assert leases == [('{"cpus":[],"gpus":[0]}',)] * 2
    assert overlapping(lab, gpus=1) == []
    rows = {one["step"]: one["run"] for one in lab.json("pipeline", "show")["tasks"]}
    assert lab("get", rows["learn[0]"], ".cloister/value").stdout.endswith("0")
    seen = lab("get", rows["prepare"], ".cloister/value").stdout
    assert seen.encode("utf-8", "surrogateescape").endswith(b"\xc0")  # None: it sees no GPU


def test_a_replay_takes_its_turn_too(lab: Shell) -> None:
    run = lab.json("run", "--", "sh", "-c", "echo left > left.txt")["run"]
    lab("reproduce", run)
    newest = jobs(lab, 1)[0]
    assert (newest["command"], newest["state"]) == (f"--reproduce {run}", "finished")

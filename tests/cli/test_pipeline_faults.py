"""Pipelines under faults: what breaks, and how everything stands afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import Shell, new_lab, new_shell, write_scans
from tests.faults import small_disk
from tests.faults.postgres import postgres_server
from tests.gates import SHUT, Gate

FLOW = f"""
import cloister as cl

@cl.task
def first(): return 1

@cl.task
def middle(x):
    {SHUT}
    return x + 1

@cl.task
def last(x): return x + 1

with cl.pipeline("three"):
    last(middle(first()))
"""
OUTPUTS = """
from pathlib import Path
import cloister as cl

def made(name, size):
    with open(name, "wb") as file:
        file.truncate(size)
    return cl.File(name)

@cl.task
def huge(): return made("huge", 2 << 30)

@cl.task
def several(): return [made(f"part{n}", 400 << 20) for n in range(3)]

@cl.task(memory=64)
def full():
    with open("/tmp/filling", "wb") as file:
        while True:
            file.write(bytes(1 << 20))

@cl.task
def small(): return made("small", 1000)

@cl.task
def after(file): return file.stat().st_size

with cl.pipeline("outputs"):
    after(huge())
    several()
    full()
    after(small())
"""
POOL = """
import json, time
import cloister as cl

@cl.task(pool="disk:1", cache=False)
def write(n):
    began = time.time()
    time.sleep(0.2)
    return [began, time.time()]

@cl.task(cache=False)
def tell(spans): print(json.dumps(spans))

with cl.pipeline("pooled"):
    tell(write.map([1, 2, 3]))
"""
HOURLY = """
import cloister as cl

@cl.task(cache=False)
def tick(due): return due

with cl.pipeline("hourly", on=cl.every(hours=1), misfire="all"):
    tick(cl.param("due", ""))
"""
BIG = """
import os
import cloister as cl

@cl.task
def big():
    open("big", "wb").write(os.urandom(30_000_000))
    return cl.File("big")

@cl.task
def size(file): return file.stat().st_size

with cl.pipeline("big"):
    size(big())
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    with new_lab() as shell:
        prepare(shell)
        yield shell


def prepare(shell: Shell) -> None:
    (shell.folder / "code").mkdir()
    flows = {"flow": FLOW, "outputs": OUTPUTS, "pool": POOL, "hourly": HOURLY, "big": BIG}
    for name, text in flows.items():
        (shell.folder / f"code/{name}.py").write_text(text)
    gate(shell).open()


def gate(shell: Shell) -> Gate:
    """Where the second of the three waits."""
    return Gate(shell.folder / "code")


def pipeline(file: str, *words: str) -> tuple[str, ...]:
    return ("--json", "pipeline", "run", file, "--workdir", "code", *words)


def started_in_the_middle(shell: Shell) -> subprocess.Popen[str]:
    """A run of the three that is at its second step, as long as the gate is shut."""
    process = shell.start(*pipeline("flow.py", "--anew"))
    under_way = (
        "SELECT 1 FROM flow_attempt a JOIN flow ON flow.flow = a.flow"
        " WHERE flow.state = 'running' AND a.step = 1"
    )
    deadline_s = time.monotonic() + 120
    while not shell.sql(under_way):
        assert time.monotonic() < deadline_s
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


def finished(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert '"state": "finished"' in out


def all_ended_once(shell: Shell) -> None:
    """Every call of the newest run was made once, ended well, and the record is whole."""
    rows = shell.json("pipeline", "show")["tasks"]
    assert [(one["state"], one["tries"]) for one in rows] == [("done", 1)] * 3
    assert shell.json("audit")["whole"]
    assert shell.json("queue")["jobs"] == []


@pytest.mark.file_database
def test_a_locked_database_is_waited_for(lab: Shell) -> None:
    with (
        gate(lab).shut(),
        closing(sqlite3.connect(lab.home / "cloister-lab/lab.db", timeout=30)) as other,
    ):
        process = started_in_the_middle(lab)
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        gate(lab).open()
        time.sleep(3.0)  # the step ends, and its end cannot be written
        assert process.poll() is None
        other.execute("ROLLBACK")
    finished(process)
    all_ended_once(lab)


def test_a_second_scheduler_of_the_same_run_is_refused(lab: Shell) -> None:
    with gate(lab).shut():
        process = started_in_the_middle(lab)
        [[flow]] = lab.sql("SELECT flow FROM flow WHERE state = 'running'")
        assert "E102" in lab("pipeline", "resume", flow, status=2).stderr
    finished(process)
    all_ended_once(lab)
    assert "is finished" in lab("pipeline", "resume", flow, status=2).stderr


def test_places_of_a_pool_are_shared_by_pipelines_that_run_together(lab: Shell) -> None:
    spans: list[list[float]] = []
    both = [lab.start(*pipeline("pool.py", "--jobs", "3")) for _ in range(2)]
    for one in both:
        out, err = one.communicate(timeout=120)
        assert one.returncode == 0, err
        found = json.loads(out)
        rows = lab.json("pipeline", "show", found["flow"])["tasks"]
        [run] = [row["run"] for row in rows if row["step"] == "tell"]
        spans += json.loads(lab("get", run, "log").stdout)
    assert len(spans) == 6
    assert all(before[1] <= after[0] for before, after in pairwise(sorted(spans)))


def test_outputs_too_large_to_keep_are_refused_and_the_rest_goes_on(lab: Shell) -> None:
    found = lab.json(*pipeline("outputs.py")[1:], status=1)
    why = {one["step"]: one["why"] for one in found["failures"]}
    # A control group, where there is one, ends what fills its memory before its disk is full.
    assert why.pop("full") in {"exit status 1", "exit status 137"}
    assert why == {"huge": "BadInput", "several": "BadInput"}
    runs = {one["step"]: one["run"] for one in found["failures"]}
    said = {step: lab("get", run, "log").stdout for step, run in runs.items()}
    assert "what a task gives is a regular file of at most 1 GiB" in said["huge"]
    assert "what a task gives is at most 1 GiB in all" in said["several"]
    assert (found["made"], found["blocked"]) == (2, 1)
    assert lab.json("audit")["whole"]


def test_a_clock_that_was_set_back_runs_nothing_twice(lab: Shell, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: a clock cannot be set back for a process")
    library = tmp_path / "clock_back.so"
    source = Path(__file__).parent.parent / "faults/clock_back.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    lab("pipeline", "schedule", "hourly.py", "--workdir", "code")
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    before = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 7200))
    lab("pipeline", "backfill", "hourly", "--from", before, "--to", now)
    ran = lab.sql("SELECT due FROM flow WHERE pipeline = 'hourly'")
    assert len(ran) in (2, 3)
    back = {"LD_PRELOAD": str(library), "CLOCK_BACK_S": "90000"}
    assert lab.json("pipeline", "tend", "--once", env=back) == []
    found = lab.json(*pipeline("flow.py", "--anew")[1:], env=back)
    assert found["state"] == "finished"
    newest = lab.json("pipeline", "ls")[0]
    assert newest["flow"] == found["flow"]  # in the order of the record, not of the clock
    assert newest["started"] < lab.sql("SELECT MIN(started) FROM flow")[0][0][:19] + "Z~"
    assert lab.sql("SELECT due FROM flow WHERE pipeline = 'hourly'") == ran
    all_ended_once(lab)
    lab("pipeline", "unschedule", "hourly")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.file_database
def test_a_full_disk_fails_the_run_and_once_there_is_room_it_goes_on() -> None:
    with new_shell() as shell:
        place = shell.home / "disk"
        place.mkdir()
        with small_disk(place, 128) as disk:
            around = {"CLOISTER_LAB": str(place / "lab")}
            shell("init", env=around)
            prepare(shell)
            disk.fill(20_000_000)
            failed = shell(*pipeline("big.py"), status=None, env=around)
            assert failed.returncode != 0
            assert "E104" in failed.stderr
            disk.drain()
            found = shell.json("pipeline", "resume", env=around)
            assert found["state"] == "finished"
            assert shell.json("audit", env=around)["whole"]
            shell("lock", "--stop", env=around)


@pytest.mark.slow
def test_a_server_that_is_gone_for_a_while_is_waited_for() -> None:
    with postgres_server() as server, new_shell(server) as shell:
        shell("init")
        prepare(shell)
        with gate(shell).shut():
            process = started_in_the_middle(shell)
            server.kill()
        time.sleep(4.0)
        server.start()
        finished(process)
        all_ended_once(shell)


@pytest.mark.slow
@pytest.mark.file_database
def test_killed_again_and_again_it_ends_and_makes_nothing_twice() -> None:
    """At moments that nobody chose: after each kill the next process goes on."""
    with new_lab() as shell:
        write_scans(shell.folder / "scans")
        prepare(shell)
        process = shell.start(*pipeline("flow.py"))
        for number in range(8):
            time.sleep(0.15 * (number + 1))
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=120)
            flows = shell.json("pipeline", "ls")
            assert shell.json("audit")["whole"]
            if flows and flows[0]["state"] == "finished":
                break
            words = ("pipeline", "resume") if flows else pipeline("flow.py")[1:]
            process = shell.start("--json", *words)
        else:
            process.communicate(timeout=120)
        (flow,) = shell.json("pipeline", "ls")
        assert flow["state"] == "finished"
        made = shell.sql(
            "SELECT a.step, COUNT(*) FROM flow_attempt a JOIN run ON run.run = a.run"
            " WHERE run.state = 'finished' GROUP BY a.step"
        )
        assert made == [(0, 1), (1, 1), (2, 1)]
        assert shell.json("queue")["jobs"] == []

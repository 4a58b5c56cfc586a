"""The queue as a team on one machine meets it: `up`, `run`, `queue`, `logs`, `stop`."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.gateway import Gateway, gateway
from tests.conftest import Shell, new_lab
from tests.gates import SHUT_IN_A_SHELL, Gate

PATIENCE_S = 120.0
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        while True:
            time.sleep(0.1)
print("settled", flush=True)
while True:
    time.sleep(0.1)
"""
NICE = """
import time
try:
    print("on", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print("caught", flush=True)
    raise SystemExit(7)
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    """One lab for all tests here; the share of a job that says nothing is half of it."""
    with new_lab("\n[queue]\nmemory_mib = 256\n") as shell:
        (shell.folder / "stubborn.py").write_text(STUBBORN)
        yield shell


@pytest.fixture(scope="module")
def up(lab: Shell) -> Iterator[Gateway]:
    with gateway(lab) as running:
        yield running


def jobs(lab: Shell, ended: int = 50) -> dict[str, dict[str, Any]]:
    view = lab.json("queue", "--ended", str(ended))
    return {one["run"]: one for one in view["jobs"]}


def state(lab: Shell, run: str) -> str:
    found: str = jobs(lab)[run]["state"]
    return found


def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline_s, "it did not come about in time"
        time.sleep(0.1)


def detached(lab: Shell, *words: str) -> str:
    run: str = lab.json("run", "--detach", *words)["run"]
    return run


def processes_saying(mark: str) -> list[int]:
    """Every process of this machine whose command line holds ``mark``."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if mark.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def runner_of(lab: Shell, run: str) -> int:
    """The process that performs a run."""
    return int((lab.home / "cloister-lab/locks" / run).read_text().split()[0])


def pending(pid: int) -> set[int]:
    """The signals that a process has not looked at."""
    (line,) = re.findall(r"ShdPnd:\s+(\w+)", Path(f"/proc/{pid}/status").read_text())
    return {number for number in signal.Signals if int(line, 16) >> number - 1 & 1}


def test_a_followed_run_says_and_is_what_a_direct_one_is(lab: Shell, up: Gateway) -> None:
    words = ("sh", "-c", "echo out; echo err >&2; echo kept > left.txt; exit 3")
    done = lab("run", "--", *words, status=3)
    assert done.stdout == "out\n"
    assert "err\n" in done.stderr
    here = lab("run", "--here", "--", *words, status=3)
    assert here.stdout == "out\n"
    said, also = (
        [line.split()[0] for line in one.stderr.splitlines() if line.startswith("  ")]
        for one in (done, here)
    )
    assert "outputs" in said
    assert said == also
    answer = lab.json("run", "--", "true")
    assert (answer["exit_status"], answer["outputs"], answer["fence"]) == (0, [], "full")
    assert lab("logs", answer["run"]).stdout == ""
    assert lab("get", done_run(lab, 2), "left.txt").stdout == "kept\n"


def done_run(lab: Shell, back: int) -> str:
    run: str = lab.json("queue", "--ended", str(back + 1))["jobs"][back]["run"]
    return run


def test_what_a_job_says_is_shown_as_it_says_it(lab: Shell, up: Gateway) -> None:
    says = f"echo line 1; {SHUT_IN_A_SHELL}; echo line 2"
    with Gate(lab.folder).shut():
        shown = lab.start("run", "--", "sh", "-c", says)
        assert shown.stdout is not None
        assert shown.stdout.readline() == "line 1\n"
    assert shown.stdout.readline() == "line 2\n"
    shown.communicate(timeout=PATIENCE_S)
    assert shown.returncode == 0


def test_a_detached_run_is_followed_by_others_from_its_beginning(
    lab: Shell, up: Gateway
) -> None:
    run = detached(lab, "--", "sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.7; done")
    until(lambda: "line 1" in lab("logs", run).stdout)
    followers = [lab.start("logs", "-f", run) for _ in range(2)]
    for one in followers:
        out, _ = one.communicate(timeout=PATIENCE_S)
        assert out == "line 1\nline 2\nline 3\n"
        assert one.returncode == 0
    assert state(lab, run) == "finished"
    assert lab("get", run, "log").stdout == out


def test_a_job_that_forks_and_ignores_signals_is_gone_with_all_its_daemons(
    lab: Shell, up: Gateway
) -> None:
    run = detached(lab, "--", "python3", "stubborn.py")
    until(lambda: "settled" in lab("logs", run).stdout)
    assert len(processes_saying("stubborn.py")) >= 4
    runner = runner_of(lab, run)
    os.kill(runner, signal.SIGSTOP)  # as on a busy machine: it looks after both have come
    try:
        stopping = lab.start("stop", run, "--now")
        until(lambda: {signal.SIGTERM, signal.SIGINT} <= pending(runner))
    finally:
        os.kill(runner, signal.SIGCONT)
    began_s = time.monotonic()
    until(lambda: not processes_saying("stubborn.py"))
    assert time.monotonic() - began_s < 8  # it was given none of the ten seconds of grace
    assert "stopped" in stopping.communicate(timeout=PATIENCE_S)[0]
    assert lab("stop", run).stdout.startswith(f"{run} had ended")


def test_one_that_is_asked_to_stop_has_time_to_end_well(lab: Shell, up: Gateway) -> None:
    script = "trap 'sleep 4; echo saved; exit 3' TERM; echo on; while :; do sleep 0.1; done"
    run = detached(lab, "--", "sh", "-c", script)
    until(lambda: "on" in lab("logs", run).stdout)
    lab("stop", run)
    until(lambda: state(lab, run) == "stopped")
    assert lab("get", run, "log").stdout.endswith("saved\n")


@pytest.mark.slow
def test_one_that_ignores_being_asked_is_killed_after_its_grace(
    lab: Shell, up: Gateway
) -> None:
    run = detached(lab, "--", "python3", "stubborn.py")
    until(lambda: "settled" in lab("logs", run).stdout)
    lab("stop", run)
    assert state(lab, run) == "stopped"
    assert processes_saying("stubborn.py") == []


def test_ctrl_c_stops_the_job_that_is_shown(lab: Shell, up: Gateway) -> None:
    (lab.folder / "nice.py").write_text(NICE)
    shown = lab.start("run", "--", "python3", "nice.py")
    assert shown.stdout is not None
    assert shown.stdout.readline() == "on\n"
    shown.send_signal(signal.SIGINT)
    out, err = shown.communicate(timeout=PATIENCE_S)
    assert (out, shown.returncode) == ("caught\n", 7)
    assert "exit status 7" in err


def test_a_closed_terminal_leaves_the_job_and_its_record_alone(lab: Shell, up: Gateway) -> None:
    says = "echo on; sleep 1; echo done"
    shown = lab.start("run", "--", "sh", "-c", says)
    assert shown.stdout is not None
    assert shown.stdout.readline() == "on\n"
    shown.kill()
    shown.communicate()
    run = next(run for run, one in jobs(lab).items() if says in one["command"])
    until(lambda: state(lab, run) == "finished")
    assert lab("logs", run).stdout == "on\ndone\n"


def test_what_waits_says_for_what_and_can_be_taken_back(lab: Shell, up: Gateway) -> None:
    cpus = os.sched_getaffinity(0)
    first = detached(lab, "--cpus", str(len(cpus)), "--", "sleep", "600")
    until(lambda: state(lab, first) == "running")
    second, third = (detached(lab, "--", "sh", "-c", f"echo {n}") for n in (2, 3))
    assert jobs(lab)[second]["waits"] == "cpus: 1 wanted, 0 free"
    assert "waits for its turn" in lab("logs", second).stderr
    assert "cancelled" in lab("stop", third).stdout
    direct = lab.start("run", "--here", "--", "echo", "mine")
    assert direct.stderr is not None
    while "waits for its turn" not in (line := direct.stderr.readline()):
        assert line
    lab("stop", first)
    assert direct.communicate(timeout=PATIENCE_S)[0] == "mine\n"
    until(lambda: state(lab, second) == "finished")
    assert lab("logs", second).stdout == "2\n"
    assert state(lab, third) == "cancelled"
    assert lab.sql("SELECT count(*) FROM run WHERE run = ?", third) == [(0,)]


def test_named_processors_are_all_that_a_job_may_use(lab: Shell, up: Gateway) -> None:
    done = lab(
        "run",
        "--cpus",
        "1",
        "--",
        "python3",
        "-c",
        "import os; print(len(os.sched_getaffinity(0)))",
    )
    assert done.stdout == "1\n"


def test_what_cannot_be_is_said_before_anything_waits(lab: Shell, up: Gateway) -> None:
    before = lab.sql("SELECT count(*) FROM job")
    assert "there are 0" in lab("run", "--gpus", "1", "--", "true", status=2).stderr
    assert (
        "next: ask for at most --memory"
        in lab("run", "--memory", str(1 << 30), "--", "true", status=2).stderr
    )
    assert "E101" in lab("run", "--data", "nothing", "--", "true", status=2).stderr
    assert lab.sql("SELECT count(*) FROM job") == before


def test_a_job_that_fills_its_disk_fails_and_the_next_one_runs(lab: Shell, up: Gateway) -> None:
    fill = "dd if=/dev/zero of=/tmp/big bs=1M 2>&1 | tail -1; test -s /tmp/big"
    done = lab("run", "--memory", "64", "--", "sh", "-c", f"({fill}); ls nowhere", status=None)
    assert done.returncode != 0
    assert lab("run", "--", "echo", "well").stdout == "well\n"
    assert lab.json("audit")["whole"]


def test_a_job_past_its_memory_is_ended_and_said_to_be(lab: Shell, up: Gateway) -> None:
    eat = "x = []\nwhile True: x.append(bytearray(1 << 20))"
    done = lab("run", "--memory", "64", "--", "python3", "-c", eat, status=None)
    assert done.returncode not in (0, None)
    assert "memory limit" in done.stderr
    assert lab("run", "--", "echo", "well").stdout == "well\n"


def test_without_a_service_jobs_wait_in_their_own_terminals(lab: Shell) -> None:
    with new_lab() as alone:
        cpus = str(len(os.sched_getaffinity(0)))
        first = alone.start("run", "--cpus", cpus, "--", "sh", "-c", "echo on; sleep 600")
        assert first.stdout is not None
        assert first.stdout.readline() == "on\n"
        second = alone.start("run", "--", "echo", "second")
        assert second.stderr is not None
        while "waits for its turn" not in (line := second.stderr.readline()):
            assert line
        view = alone.json("queue")
        assert [one["state"] for one in view["jobs"]] == ["running", "queued"]
        assert not view["service"]
        queued = alone.json("run", "--detach", "--", "echo", "later")
        assert "cloister up" in jobs(alone)[queued["run"]]["waits"]
        alone("stop", view["jobs"][0]["run"])
        first.communicate(timeout=PATIENCE_S)
        assert first.returncode == 128 + signal.SIGTERM
        assert second.communicate(timeout=PATIENCE_S)[0] == "second\n"
        with gateway(alone):
            until(lambda: state(alone, queued["run"]) == "finished")


def test_a_killed_runner_is_found_and_its_run_interrupted(lab: Shell, up: Gateway) -> None:
    run = detached(lab, "--", "sh", "-c", "echo alone; sleep 600")
    until(lambda: "alone" in lab("logs", run).stdout)
    os.kill(runner_of(lab, run), signal.SIGKILL)
    until(lambda: state(lab, run) == "interrupted")
    assert lab.sql("SELECT state FROM run WHERE run = ?", run) == [("interrupted",)]
    until(lambda: not processes_saying("echo alone; sleep 600"))
    assert lab("get", run, "log").stdout == "alone\n"


def test_a_job_is_asked_for_followed_and_stopped_through_the_interface(
    lab: Shell, up: Gateway
) -> None:
    with up.client() as client:
        whole = client.get("/api/1/jobs").json()
        assert whole["folders"] == [str(lab.folder)]
        assert whole["machine"]["cpus"]["total"] == len(os.sched_getaffinity(0))
        asked = {"command": "sh -c 'echo one; echo two >&2; sleep 600'", "folder": "."}
        answer = client.post("/api/1/jobs", json=asked)
        assert answer.status_code == 201, answer.text
        job = f"/api/1/jobs/{answer.json()['run']}"
        said, at = "", ""
        while "two" not in said:
            part = client.get(f"{job}/log", params={"from": at}).json()
            said += "".join(piece["text"] for piece in part["pieces"])
            at = part["next"]
            assert not part["ended"]
            time.sleep(0.05)
        assert sorted(said.split()) == ["one", "two"]
        assert client.get(f"{job}/log", params={"from": at}).json()["pieces"] == []
        assert client.get(job).json()["state"] == "running"
        page = client.get(job.replace("jobs", "runs") + "/log").json()
        assert (sorted(page["text"].split()), page["done"]) == (["one", "two"], False)
        rest = client.get(job.replace("jobs", "runs") + "/log", params={"from": 5}).json()
        assert (rest["start"], rest["end"], rest["size_bytes"]) == (5, 8, 8)
        assert client.post(f"{job}/stop", json={}).json()["state"] in {"stopping", "stopped"}
        until(lambda: client.get(job).json()["state"] == "stopped")
        assert client.get(f"{job}/log", params={"from": at}).json()["ended"]
        elsewhere = {"command": "cat passphrase", "folder": str(lab.home)}
        refused = client.post("/api/1/jobs", json=elsewhere)
        assert (refused.status_code, "--folder" in refused.text) == (400, True)
        for wrong in ({"command": "'", "folder": "."}, {"command": "", "folder": "."}):
            assert client.post("/api/1/jobs", json=wrong).status_code == 400
        many = {"command": "true", "folder": ".", "gpus": 9}
        assert "there are 0" in client.post("/api/1/jobs", json=many).text
        for place in ("x", "1.", "99.99", "1.5"):
            wrong_place = client.get(f"{job}/log", params={"from": place})
            assert wrong_place.status_code == 400, wrong_place.text


def test_the_record_of_all_this_is_whole(lab: Shell, up: Gateway) -> None:
    assert lab.json("audit")["whole"]

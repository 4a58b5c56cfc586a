"""At most so many runs of one pipeline at a time, whoever starts them."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.attacks.killing import wait_until
from tests.conftest import Shell, new_lab, write_scans
from tests.gates import Gate

FLOW = """
import time
import cloister as cl

@cl.task(cache=False)
def wait(gate):
    while open(gate).read() == "shut": time.sleep(0.05)

with cl.pipeline(
    "single", on=[cl.cron("0 1 1 1 *"), cl.asset("dataset:data1")], max_active_runs=1
):
    wait(cl.param("gate", "gate"))

with cl.pipeline("brief", on=cl.asset("dataset:data1")):
    wait("open")

with cl.pipeline("pair", max_active_runs=2):
    wait("gate")
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    with new_lab() as shell:
        write_scans(shell.folder / "scans", patients=2, each=1)
        add(shell)
        (shell.folder / "code").mkdir()
        (shell.folder / "code/flow.py").write_text(FLOW)
        for name in ("gate", "other", "open"):
            Gate(shell.folder / "code", name).open()
        yield shell


@pytest.fixture
def gate(lab: Shell) -> Iterator[Gate]:
    """Where all wait that are not told otherwise; shut until the test opens it."""
    made = Gate(lab.folder / "code")
    with made.shut():
        yield made


def add(shell: Shell) -> None:
    shell("add", "scans", "--subject-pattern", "^(P[0-9]+)/", "--name", "data1")


def begun(shell: Shell, pipeline: str, *words: str) -> subprocess.Popen[str]:
    return shell.start(
        "--json", "pipeline", "run", f"flow.py:{pipeline}", "--workdir", "code", *words
    )


def over(process: subprocess.Popen[str]) -> str:
    """What it said beside its answer, once it has ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, (out, err)
    return err


def spans(shell: Shell, pipeline: str) -> list[tuple[str, str]]:
    """From when to when its runs went on, the earlier first."""
    rows = shell.sql(
        "SELECT started, finished FROM flow WHERE pipeline = ? ORDER BY begun", pipeline
    )
    return [(str(began), str(ended)) for began, ended in rows]


def most_at_once(of: list[tuple[str, str]]) -> int:
    """An end and a beginning of one moment are in that order."""
    moments = sorted([(one[0], 1) for one in of] + [(one[1], -1) for one in of])
    return max(sum(step for _, step in moments[: n + 1]) for n in range(len(moments)))


def await_rows(shell: Shell, wanted: str) -> str:
    deadline_s = time.monotonic() + 120
    while not (rows := shell.sql(wanted)):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return str(rows[0][0])


def await_its_turn(process: subprocess.Popen[str]) -> None:
    """Until it has said that it waits for another run to end."""
    assert process.stderr is not None
    assert any("1 of it at a time" in line for line in process.stderr)


def test_by_hand_by_schedule_and_backfilled_it_runs_one_at_a_time(
    lab: Shell, gate: Gate
) -> None:
    lab("pipeline", "schedule", "flow.py:single", "--workdir", "code")
    (lab.folder / "scans/P000/new.txt").write_text("a new scan\n")
    add(lab)
    back = ("--from", "2026-01-01T00:30:00", "--to", "2026-01-01T01:30:00")
    schedulers = [lab.start("--json", "pipeline", "tend", "--once")]
    await_rows(lab, "SELECT flow FROM flow WHERE reason = 'dataset:data1'")
    schedulers += [
        lab.start("--json", "pipeline", "backfill", "single", *back),
        begun(lab, "single"),
    ]
    await_rows(lab, "SELECT COUNT(*) FROM flow WHERE state = 'waiting' HAVING COUNT(*) = 2")
    gate.open()
    said = [over(one) for one in schedulers]
    assert any("1 of it at a time" in one for one in said)
    reasons = lab.sql("SELECT reason, state FROM flow WHERE pipeline = 'single'")
    assert sorted(reasons) == [
        ("asked", "finished"), ("backfill", "finished"), ("dataset:data1", "finished")
    ]  # fmt: skip
    assert most_at_once(spans(lab, "single")) == 1
    assert lab.json("pipeline", "tend", "--once") == []
    lab("pipeline", "unschedule", "single")


def test_as_many_as_it_says_run_together_and_one_more_waits(lab: Shell, gate: Gate) -> None:
    three = [begun(lab, "pair") for _ in range(3)]
    flows = "SELECT flow FROM flow WHERE pipeline = 'pair'"
    queued = "SELECT run FROM job WHERE state = 'queued'"
    wait_until(lambda: len(lab.sql(f"{flows} AND state = 'running'")) == 2)
    wait_until(lambda: len(lab.sql(flows)) + len(lab.sql(queued)) == 3)  # or for the machine
    gate.open()
    for one in three:
        over(one)
    assert len(spans(lab, "pair")) == 3
    assert most_at_once(spans(lab, "pair")) == 2


def test_a_run_that_is_killed_gives_up_its_place_and_goes_on_in_its_turn(
    lab: Shell, gate: Gate
) -> None:
    killed = begun(lab, "single")
    first = await_rows(lab, "SELECT flow FROM flow_attempt WHERE value IS NULL")
    second = Gate(lab.folder / "code", "other")
    with second.shut():
        waiting = begun(lab, "single", "-p", "gate=other")
        await_its_turn(waiting)
        alone = ("pipeline", "step", "flow.py:single", "wait", "--workdir", "code")
        step = lab.json(*alone, "-p", "gate=open")  # its scheduler counts runs itself
        assert step["state"] == "done"
        assert waiting.poll() is None
        killed.kill()
        killed.communicate()
        other = f"SELECT flow FROM flow_attempt WHERE value IS NULL AND flow <> '{first}'"
        await_rows(lab, other)
        resumed = lab.start("--json", "pipeline", "resume", first)
        await_its_turn(resumed)
    over(waiting)
    tries = f"SELECT COUNT(*) FROM flow_attempt WHERE flow = '{first}' HAVING COUNT(*) = 2"
    await_rows(lab, tries)
    resumed.kill()
    resumed.communicate()
    assert lab.json("audit")["whole"]


def shown(shell: Shell) -> list[tuple[str, str]]:
    """State of each run that waits or goes on, and what it waits for; the oldest first."""
    rows = shell.json("pipeline", "ls")[::-1]
    return [
        (one["state"], (one["waits"] or "").partition("Z: ")[2])
        for one in rows
        if one["state"] in {"running", "waiting"}
    ]


def await_state(shell: Shell, flow: str, state: str) -> None:
    await_rows(shell, f"SELECT flow FROM flow WHERE flow = '{flow}' AND state = '{state}'")


def newest(shell: Shell) -> str:
    return str(shell.sql("SELECT flow FROM flow ORDER BY begun DESC LIMIT 1")[0][0])


def test_who_waits_is_on_record_is_served_in_turn_and_can_be_stopped(
    lab: Shell, gate: Gate
) -> None:
    assert not shown(lab)  # and what was killed before is set right
    first = begun(lab, "single")
    holder = await_rows(lab, "SELECT flow FROM flow WHERE state = 'running'")
    await_rows(lab, f"SELECT run FROM flow_attempt WHERE flow = '{holder}'")
    waiting, names = [], []
    for _ in range(4):
        waiting.append(begun(lab, "single", "-p", "gate=open"))
        await_its_turn(waiting[-1])
        names.append(newest(lab))
    one = "1 of it at a time"
    assert shown(lab) == [
        ("running", ""),
        ("waiting", one),
        *(("waiting", f"{one}, and {n} before it in line") for n in (1, 2, 3)),
    ]
    page = lab.json("pipeline", "show", names[1])
    assert page["waits"] == f"{one}, and 1 before it in line"
    assert page["waiting"] > page["started"][:10]
    assert {row["state"] for row in page["tasks"]} == {"not begun"}
    assert lab.json("pipeline", "stop", names[0])["state"] == "stopped"
    waiting[0].communicate(timeout=120)
    assert waiting[0].returncode == 130
    waiting[1].kill()  # its turn is nobody's: who came later does not wait for it
    waiting[1].communicate()
    assert lab.json("pipeline", "stop", holder)["state"] == "stopped"
    first.communicate(timeout=120)
    for process in waiting[2:]:
        over(process)
    begins = lab.sql("SELECT flow FROM flow WHERE plan <> '' ORDER BY begun")
    assert [str(flow) for (flow,) in begins][-2:] == names[2:]
    await_state(lab, names[1], "interrupted")
    (task,) = lab.json("pipeline", "show", holder)["tasks"]
    assert task["state"] == "stopped"
    listed = {run["run"]: run["state"] for run in lab.json("ls", "--runs")}
    assert listed[task["run"]] == "stopped"
    resumed = lab.json("pipeline", "resume", names[1])  # it never came to its turn before
    assert (resumed["state"], resumed["made"]) == ("finished", 1)
    assert lab.json("audit")["whole"]


def test_what_waits_or_runs_long_holds_up_no_other_that_is_due(lab: Shell, gate: Gate) -> None:
    held = begun(lab, "single")
    for name in ("brief", "single"):
        lab("pipeline", "schedule", f"flow.py:{name}", "--workdir", "code")
    await_rows(lab, "SELECT flow FROM flow WHERE state = 'running'")
    (lab.folder / "scans/P000/newer.txt").write_text("a newer scan\n")
    add(lab)
    tend = lab.start("--json", "pipeline", "tend")
    await_rows(lab, "SELECT flow FROM flow WHERE pipeline = 'brief' AND state = 'finished'")
    waits = await_rows(lab, "SELECT flow FROM flow WHERE state = 'waiting'")
    assert lab.json("pipeline", "tend", "--once") == []  # nothing is begun twice
    tend.send_signal(signal.SIGINT)
    tend.communicate(timeout=120)
    assert tend.returncode == 130
    await_state(lab, waits, "interrupted")
    again = lab.start("--json", "pipeline", "tend", "--once")  # its time is not taken yet
    waits = await_rows(lab, "SELECT flow FROM flow WHERE state = 'waiting'")
    assert lab.json("pipeline", "stop", waits)["state"] == "stopped"
    over(again)
    assert lab.json("pipeline", "tend", "--once") == []  # by now it is
    held.send_signal(signal.SIGINT)
    held.communicate(timeout=120)
    assert lab.json("audit")["whole"]

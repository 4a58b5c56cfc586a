"""Claim: killed at any moment, the service loses no job and runs none twice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.gateway import gateway
from tests.conftest import Shell, new_lab
from tests.gates import SHUT_IN_A_SHELL, Gate

PATIENCE_S = 150.0


@pytest.fixture
def lab() -> Iterator[Shell]:
    with new_lab("\n[queue]\nmemory_mib = 256\n") as shell:
        yield shell


def begun(lab: Shell, kind: str) -> list[str]:
    """The runs that events of one kind in the ledger are about, in its order."""
    rows = lab.sql("SELECT leaf FROM ledger_leaf ORDER BY position")
    events = [json.loads(bytes(leaf)) for (leaf,) in rows]
    return [one["body"]["run"] for one in events if one["type"] == kind]


def settled(lab: Shell, runs: list[str]) -> dict[str, dict[str, Any]]:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        view = lab.json("queue", "--ended", "500")["jobs"]
        found = {one["run"]: one for one in view if one["run"] in runs}
        if all(one["ended"] for one in found.values()):
            return found
        assert time.monotonic() < deadline_s, found
        time.sleep(0.2)


def test_jobs_that_run_go_on_and_jobs_that_wait_begin_later(lab: Shell) -> None:
    with Gate(lab.folder).shut(), gateway(lab) as up:
        talks = f"echo before; {SHUT_IN_A_SHELL}; echo after"
        cpus = str(len(os.sched_getaffinity(0)))
        words = ("run", "--detach", "--cpus", cpus, "--", "sh", "-c", talks)
        first = lab.json(*words)["run"]
        second = lab.json("run", "--detach", "--", "echo", "second")["run"]
        deadline_s = time.monotonic() + PATIENCE_S
        while "before" not in lab("logs", first).stdout:
            assert time.monotonic() < deadline_s
        up.process.kill()
        up.process.wait()
        view = lab.json("queue")
        assert not view["service"]
        assert [one["state"] for one in view["jobs"]] == ["running", "queued"]
        third = lab.json("run", "--detach", "--", "echo", "third")["run"]
    with gateway(lab):
        found = settled(lab, [first, second, third])
        assert [found[one]["state"] for one in (first, second, third)] == ["finished"] * 3
        assert lab("get", first, "log").stdout == "before\nafter\n"
        assert lab("get", second, "log").stdout == "second\n"
    assert begun(lab, "run.begun")[0] == first
    assert sorted(begun(lab, "run.begun")) == sorted([first, second, third])
    assert lab.json("audit")["whole"]


def killed_often(lab: Shell, kills: int, jobs: int) -> None:
    chance = random.Random(7)
    runs: list[str] = []
    for _ in range(kills):
        with contextlib.suppress(AssertionError), gateway(lab) as up:
            for _ in range(jobs):
                runs.append(lab.json("run", "--detach", "--", "sh", "-c", "echo once")["run"])
                time.sleep(chance.uniform(0, 0.2))
            time.sleep(chance.uniform(0, 0.3))
            up.process.send_signal(signal.SIGKILL)
            up.process.wait()
    assert len(runs) == kills * jobs
    with gateway(lab):
        found = settled(lab, runs)
        assert {one["state"] for one in found.values()} == {"finished"}
        assert sorted(found) == sorted(runs)
        for run in runs:
            assert lab("get", run, "log").stdout == "once\n"
    assert sorted(begun(lab, "run.begun")) == sorted(runs)
    assert sorted(begun(lab, "job.ended")) == sorted(runs)
    assert lab.json("audit")["whole"]


def test_a_service_that_is_killed_while_it_starts_jobs(lab: Shell) -> None:
    killed_often(lab, kills=2, jobs=2)


@pytest.mark.slow
def test_a_service_that_is_killed_twenty_times(lab: Shell) -> None:
    killed_often(lab, kills=20, jobs=3)


def test_a_run_whose_start_was_lost_waits_again_and_is_given_up_at_last(lab: Shell) -> None:
    """As a service that is killed between the turn and the process leaves it."""
    run = lab.json("run", "--detach", "--", "echo", "never")["run"]
    from cloister.policy import Action
    from tests.workflows.people.conftest import opened_team

    for tries in range(4):
        with opened_team(lab) as team:
            act = team.lab.act(Action.RUN)
            act.record([act.event("job.started", {"cpus": [], "gpus": [], "run": run})])
        said = lab("ls").stderr
        assert ("waits again" if tries < 3 else "given up") in said
    assert lab.json("queue", "--ended", "1")["jobs"][0]["state"] == "refused"
    assert begun(lab, "run.begun") == []

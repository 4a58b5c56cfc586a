"""Pipelines on other machines: the real command line, a real sshd on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.attacks.killing import wait_until
from tests.conftest import Shell, add_scans, new_lab
from tests.gates import SHUT, Gate
from tests.recovery.second_box import SecondBox

pytestmark = pytest.mark.xdist_group("far")  # they look for workers of this machine
FLOW = """
import os, time
from pathlib import Path
import cloister as cl

@cl.task
def names(scans):
    return sorted(p.name for p in Path(scans).rglob("*.txt"))

@cl.task
def shout(names):
    Path("loud.txt").write_text(" ".join(names).upper())
    return {"file": cl.File("loud.txt"), "count": len(names)}

@cl.task
def length(shouted):
    return shouted["file"].stat().st_size

@cl.task
def fence():
    import socket
    try:
        socket.create_connection(("127.0.0.1", PORT), timeout=1)
        out = True
    except OSError:
        out = False
    return {"lab": os.path.exists("LAB"), "keys": os.path.exists("BOX"), "out": out,
            "code": sorted(os.listdir("."))}

with cl.pipeline("ward"):
    length(shout(names(cl.dataset("data1"))))
    fence()
"""
MANY = """
import time
import cloister as cl

@cl.task
def slow(x):
    time.sleep(1)
    return x

with cl.pipeline("many"):
    slow.map(list(range(6)))
"""
LOST = (
    MANY
    + f"""
@cl.task(on="local")
def waits():
    {SHUT}

with cl.pipeline("lost"):
    waits()
    slow.map(list(range(6)))
"""
)
TWO = "ssh:second", "ssh:127.0.0.1"
CALLS = (
    "SELECT settings FROM run JOIN flow_attempt USING (run)"
    " WHERE flow = (SELECT flow FROM flow ORDER BY begun DESC LIMIT 1)"
)
"""Those that the last pipeline has begun, with the machines that make them."""


@pytest.fixture(scope="module")
def ward(box: SecondBox) -> Iterator[Shell]:
    with new_lab() as shell:
        add_scans(shell)
        (shell.folder / "code").mkdir()
        text = FLOW.replace("PORT", str(box.port)).replace("BOX", f"{box.path}/../user")
        text = text.replace("LAB", str(shell.home / "cloister-lab"))
        (shell.folder / "code/flow.py").write_text(text)
        (shell.folder / "code/lost.py").write_text(LOST)
        Gate(shell.folder / "code").open()
        yield shell


def far(shell: Shell, box: SecondBox) -> dict[str, str]:
    """Variables with which ssh finds the second box."""
    return {"PATH": f"{box.path}:{shell.environment['PATH']}"}


def run(shell: Shell, box: SecondBox, file: str, *words: str) -> dict[str, object]:
    command = ("pipeline", "run", file, "--workdir", "code", *words)
    found: dict[str, object] = shell.json(*command, env=far(shell, box))
    return found


def rows(shell: Shell) -> dict[str, dict[str, object]]:
    return {one["step"]: one for one in shell.json("pipeline", "show")["tasks"]}


def settings(shell: Shell, run: object) -> dict[str, str]:
    ((found, fence),) = shell.sql("SELECT settings, fence FROM run WHERE run = ?", run)
    assert json.loads(fence)["level"] == "full"
    kept: dict[str, str] = json.loads(found)
    return kept


def gone(box: SecondBox) -> bool:
    wait_until(lambda: not box.relays())
    return True


def test_tasks_run_on_another_machine_and_their_runs_say_where(
    ward: Shell, box: SecondBox
) -> None:
    found = run(ward, box, "flow.py", "--on", "ssh:second")
    assert (found["state"], found["made"]) == ("finished", 4)
    made = rows(ward)
    key = subprocess.run(
        ["ssh-keygen", "-lf", f"{box.path}/../host.pub"], capture_output=True, check=True
    ).stdout.split()[1]
    for step in ("names", "shout", "length", "fence"):  # whoever takes a dataset too
        assert settings(ward, made[step]["run"])["where"] == f"ssh:second {key.decode()}"
    traced = ward.json("trace", "P001")
    assert {made[step]["run"] for step in ("names", "shout", "length")} <= {
        one["run"] for one in traced["runs"]
    }
    assert ward("get", str(made["shout"]["run"]), "loud.txt").stdout.startswith("0.TXT")
    assert gone(box)
    # made with the same libraries: used again here
    assert ward.json("pipeline", "run", "flow.py", "--workdir", "code")["made"] == 0
    ward("audit")


def test_calls_of_a_machine_that_goes_away_are_made_elsewhere_and_it_is_used_again(
    ward: Shell, box: SecondBox
) -> None:
    places = [word for one in (*TWO, "local") for word in ("--on", one)]
    words = ("lost.py:lost", "--workdir", "code", *places, "--jobs", "1", "--anew")
    with Gate(ward.folder / "code").shut():
        running = ward.start("--json", "pipeline", "run", *words, env=far(ward, box))
        wait_until(lambda: begun_at(ward).issuperset(TWO))
        os.kill(box.relays()[0], signal.SIGKILL)
        assert running.stderr is not None
        said = ""
        while said.count("joined") < 3:  # it is there again
            said += (line := running.stderr.readline())
            assert line, said
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, said + err
    assert json.loads(out)["made"] == 7
    assert "its worker is gone" in said
    assert ward.sql("SELECT count(*) FROM run WHERE state = 'interrupted'")[0][0] > 0
    assert gone(box)


def begun_at(shell: Shell) -> set[str]:
    """Where the last pipeline has begun calls."""
    found = [json.loads(text).get("where", "local") for (text,) in shell.sql(CALLS)]
    return {where.split()[0] for where in found}


def test_a_task_says_where_it_runs_among_the_machines_that_were_given(
    ward: Shell, box: SecondBox
) -> None:
    text = MANY.replace("@cl.task", '@cl.task(on="second")').replace("range(6)", "range(2)")
    (ward.folder / "code/on.py").write_text(text)
    words = ("pipeline", "run", "on.py", "--workdir", "code")
    refused = ward(*words, status=2, env=far(ward, box))
    assert "is to run on 'second', where this run may not" in refused.stderr
    found = run(ward, box, "on.py", "--on", "ssh:second", "--on", "local")
    assert found["made"] == 2
    ((kept,),) = set(
        ward.sql(
            "SELECT settings FROM run JOIN flow_attempt USING (run) WHERE flow = ?",
            found["flow"],
        )
    )
    assert json.loads(kept)["where"].startswith("ssh:second SHA256:")


def test_the_lab_says_where_calls_are_made_of_runs_that_say_nothing(
    ward: Shell, box: SecondBox
) -> None:
    place = ward.home / "cloister-lab/cloister.toml"
    before = place.read_text()
    place.write_text(f'{before}\n[pipelines]\non = ["ssh:second"]\n')
    try:
        run(ward, box, "flow.py", "--anew")
        assert settings(ward, rows(ward)["fence"]["run"])["where"].startswith("ssh:second ")
    finally:
        place.write_text(before)

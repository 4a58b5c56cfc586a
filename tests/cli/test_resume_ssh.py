"""Checkpoints of a run on another machine: usable whatever is killed, there, here and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.killing import wait_until
from tests.cli.gateway import gateway
from tests.cli.test_run_ssh import far, is_over, jobs, last, lines
from tests.conftest import Shell, add_scans, new_lab
from tests.recovery.second_box import SecondBox

pytestmark = pytest.mark.xdist_group("far")  # they look for relays of this machine
TRAIN = """
import json, os, sys, time
from pathlib import Path
import pace

state, weights = Path("out/state.json"), Path("weights.pt")
epoch, weight = json.loads(state.read_text()) if state.exists() else [0, 1.0]
print("from", epoch, weights.stat().st_size if weights.exists() else 0, flush=True)
Path("out").mkdir(exist_ok=True)
weights.write_bytes(bytes([epoch]) * (70 << 20))  # one that was put there can be written to
while epoch < pace.LAST:
    weight = weight * 0.9 + epoch / 7
    epoch += 1
    fresh = Path("out/state.new")
    fresh.write_text(json.dumps([epoch, weight]).ljust(1000 * epoch))
    os.replace(fresh, state)
if pace.HOLDS:
    time.sleep(600)
Path("metrics.json").write_text(json.dumps({"weight": weight}))
"""


@pytest.fixture(scope="module")
def ward(box: SecondBox) -> Iterator[Shell]:
    with new_lab() as shell:
        add_scans(shell)
        (shell.folder / "code").mkdir()
        (shell.folder / "code/train.py").write_text(TRAIN)
        (shell.folder / "code/table.csv").write_text("no code\n")
        yield shell


def begun(shell: Shell, box: SecondBox, last: int, *words: str) -> subprocess.Popen[str]:
    """A run that got as far as ``last``, with both of its checkpoints on record."""
    (shell.folder / "code/pace.py").write_text(f"LAST, HOLDS = {last}, True\n")
    count = (
        "SELECT count(DISTINCT size) FROM run_output WHERE size IN (?, ?)"
        " AND kind = 'checkpoint' AND run = (SELECT run FROM run ORDER BY begun DESC LIMIT 1)"
    )
    running = shell.start("run", *words, env=far(shell, box))
    try:
        wait_until(lambda: shell.sql(count, 70 << 20, 1000 * last) == [(2,)])
    except BaseException:
        running.kill()
        raise
    return running


def watched(name: str, *on: str) -> tuple[str, ...]:
    every = ("--checkpoint", "out/state.json", "--checkpoint", "*.pt", "--every", "1")
    argv = ("python3", "train.py", "../scans", name)
    return ("--workdir", "code", *on, *every, "--", *argv)


def expected(epochs: int) -> float:
    weight = 1.0
    for epoch in range(epochs):
        weight = weight * 0.9 + epoch / 7
    return weight


def killed(running: subprocess.Popen[str], *others: int) -> str:
    """What the run said that was killed, or whose end of the line was."""
    for pid in others or (running.pid,):
        os.kill(pid, signal.SIGKILL)
    try:
        return running.communicate(timeout=90)[1]
    finally:
        running.kill()
        running.wait()


def test_a_run_goes_on_there_and_here_from_its_newest_checkpoints(
    ward: Shell, box: SecondBox
) -> None:
    """Killed here, gone on with there; its relay killed, gone on with here; at last there."""
    name, there = f"moved-{os.getpid()}", ("--on", "ssh:second")
    killed(begun(ward, box, 3, *watched(name)))
    assert "checkpoints are kept: `cloister run --resume" in ward("ls").stderr
    running = begun(ward, box, 5, "--resume", last(ward)[0], *there)
    said = killed(running, *box.relays())
    run = last(ward)[0]
    assert "does not answer any more" in said
    assert f"checkpoints are kept: `cloister run --resume {run}`" in said
    assert "1 file of the working folder (table.csv)" in said
    wait_until(lambda: is_over(box, name))
    assert json.loads(ward("get", run, "out/state.json").stdout) == [5, expected(5)]
    assert f"from 3 {70 << 20}" in ward("logs", run).stdout
    killed(begun(ward, box, 7, "--resume", run))
    run = last(ward)[0]
    (ward.folder / "code/pace.py").write_text("LAST, HOLDS = 9, False\n")
    done = ward("run", "--resume", run, *there, env=far(ward, box))
    assert f"from 7 {70 << 20}" in done.stdout
    run, state = last(ward)
    assert state == "finished"
    assert json.loads(ward("get", run, "metrics.json").stdout) == {"weight": expected(9)}
    ward("get", run, "weights.pt", "-o", "weights")
    assert (ward.folder / "weights").read_bytes() == bytes([7]) * (70 << 20)
    assert ward.json("audit")["whole"]


@pytest.mark.parametrize(("whom", "epoch"), [("ssh", 4), ("asker", 3)])
def test_whoever_is_killed_every_checkpoint_on_record_is_usable(
    ward: Shell, box: SecondBox, whom: str, epoch: int
) -> None:
    name = f"kept-{whom}-{os.getpid()}"
    running = begun(ward, box, epoch, *watched(name, "--on", "ssh:second"))
    assert jobs(name)
    killed(running, *(lines(running) if whom == "ssh" else ()))
    wait_until(lambda: is_over(box, name))
    ward("ls")  # takes up what was killed
    run, state = last(ward)
    assert state == "interrupted"
    assert json.loads(ward("get", run, "out/state.json").stdout) == [epoch, expected(epoch)]
    (ward.folder / "code/pace.py").write_text("LAST, HOLDS = 6, False\n")
    again = ("run", "--resume", run, "--on", "ssh:second")
    if whom == "ssh":
        said = ward(*again, env=far(ward, box)).stdout
    else:
        said = begun_by_the_service(ward, box, *again)
    assert f"from {epoch} {70 << 20}" in said


def begun_by_the_service(shell: Shell, box: SecondBox, *words: str) -> str:
    """What a run printed that was left to it."""
    run = shell.json(*words, "--detach")["run"]
    assert "on ssh:second" in shell("queue").stdout
    with gateway(shell, env=far(shell, box)):
        wait_until(
            lambda: shell.sql("SELECT state FROM job WHERE run = ?", run) == [("ended",)]
        )
    assert last(shell) == (run, "finished")
    return shell("logs", run).stdout


SLOWLY = """
import os, time
while data := os.read(0, 1 << 16):
    os.write(1, data)
    time.sleep(len(data) / (1 << 20))
"""


def test_ctrl_c_does_not_wait_for_a_checkpoint_on_a_slow_line(
    ward: Shell, box: SecondBox, tmp_path: Path
) -> None:
    """70 MiB at 1 MiB a second, and the job is gone before half of it can have come."""
    name, (slowly, python) = (
        f"slow-{os.getpid()}",
        (tmp_path / "slowly.py", tmp_path / "python"),
    )
    slowly.write_text(SLOWLY)
    python.write_text(f'#!/bin/sh\n{sys.executable} "$@" | {sys.executable} {slowly}\n')
    python.chmod(0o755)
    (ward.folder / "code/pace.py").write_text("LAST, HOLDS = 1, True\n")
    on = ("--on", f"ssh:second{python}")
    running = ward.start("run", *watched(name, *on), env=far(ward, box))
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "from 0 0\n"
        time.sleep(6)  # it rests for half a second, and then is under way
        asked_s = time.monotonic()
        running.send_signal(signal.SIGINT)
        wait_until(lambda: not jobs(name))
        assert time.monotonic() - asked_s < 25
    finally:
        killed(running)
    wait_until(lambda: is_over(box, name))

"""Several processes append to one log at once; some are killed while they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from cloister.ledger import HeadMemory, HeadStatus, check_head
from tests.ledger.appending import check_acknowledged
from tests.ledger.conftest import NewLab
from tests.ledger.lab import Lab, note

ROOT = Path(__file__).parent.parent.parent
KILLS = 15
_PROGRAM = """
import sys, pathlib
from tests.ledger.appending import append_and_tell
append_and_tell(pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), 1)
"""

_INTERRUPTED = """
import sys, pathlib
from tests.ledger.appending import append_while_interrupted
append_while_interrupted(pathlib.Path(sys.argv[1]), 150, 1)
"""


def start(lab: Lab, worker: str, operations: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _PROGRAM, str(lab.path), worker, str(operations)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def whole_lines(child: subprocess.Popen[str]) -> list[str]:
    output, _ = child.communicate()
    return output[: output.rfind("\n") + 1].splitlines()


def test_processes_side_by_side_make_one_log_without_gaps(disk_lab: Lab) -> None:
    children = [start(disk_lab, worker, 40) for worker in "xyz"]
    lines = [line for child in children for line in whole_lines(child)]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert len(lines) == 3 * 2 * 40
    check_acknowledged(disk_lab, lines)
    assert disk_lab.head().size == 2 * len(lines)


def test_a_neighbour_is_not_starved_by_one_that_never_pauses(disk_lab: Lab) -> None:
    greedy = start(disk_lab, "g", 100_000)
    assert greedy.stdout is not None
    greedy.stdout.readline()
    waits = []
    for number in range(30):
        began = time.monotonic()
        disk_lab.append(note(f"n{number}"))
        waits.append(time.monotonic() - began)
    greedy.kill()
    greedy.communicate()
    assert max(waits) < 20  # seconds; an undisturbed one takes a millisecond


@pytest.mark.parametrize("round_number", range(KILLS))
def test_a_killed_process_loses_nothing_that_it_acknowledged(
    disk_lab: Lab, new_lab: NewLab, tmp_path: Path, round_number: int
) -> None:
    moment = Random(round_number)
    memory = HeadMemory(tmp_path / "heads")
    lines: list[str] = []
    for worker in "pq":
        child = start(disk_lab, worker, 100_000)
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(moment.uniform(0, 0.08))
        child.send_signal(signal.SIGKILL)
        lines += [first, *whole_lines(child)]
        assert child.returncode == -signal.SIGKILL
        fresh = new_lab(disk_lab.path)
        check_acknowledged(fresh, lines)
        expected = HeadStatus.EXTENDS if worker == "q" else HeadStatus.FIRST_CONTACT
        assert check_head(fresh.reader, fresh.database, memory) is expected
        fresh.append(note("the next command works"))
    assert disk_lab.audit().sound


def test_a_kill_beside_a_living_process_disturbs_nobody(disk_lab: Lab) -> None:
    disk_lab.append(note("first"))
    child = start(disk_lab, "k", 100_000)
    assert child.stdout is not None
    child.stdout.readline()
    for number in range(50):
        disk_lab.append(note(f"before {number}"))
    os.kill(child.pid, signal.SIGKILL)
    for number in range(50):
        disk_lab.append(note(f"after {number}"))
    check_acknowledged(disk_lab, whole_lines(child))


def test_ctrl_c_costs_the_other_threads_nothing_and_repeats_nothing(disk_lab: Lab) -> None:
    command = [sys.executable, "-c", _INTERRUPTED, str(disk_lab.path)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    lines = [child.stdout.readline()]
    moment = Random(0)
    for _ in range(40):
        child.send_signal(signal.SIGINT)
        time.sleep(moment.uniform(0.001, 0.006))
    lines += whole_lines(child)
    assert child.returncode == 0
    assert int(lines.pop().split()[1]) > 3
    names = disk_lab.names()
    for name in "abc":  # once each, in the thread's own order
        mine = [line.split() for line in lines if line.startswith(name)]
        assert [item for item in names if item.startswith(name)] == [
            f"{name}.{n}" for n in range(150)
        ]
        assert all(names[int(index)] == item for item, index in mine)
    assert disk_lab.audit().sound

"""Jobs that run while the test does something else."""

from __future__ import annotations

import json
import subprocess
import time

from tests.fence.benches import Bench
from tests.fence.driver import Order
from tests.fence.leftovers import marked_processes


def begin(bench: Bench, order: Order, mark: str) -> subprocess.Popen[str]:
    """A runner in a process of its own, whose job runs and carries ``mark`` as an argument."""
    runner = bench.popen()
    assert runner.stdin is not None
    runner.stdin.write(json.dumps(order))
    runner.stdin.close()
    runner.stdin = None
    deadline = time.monotonic() + 120
    while not marked_processes(mark):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.3)  # the mark shows as soon as it executes; let it reach what it does
    return runner


def kill(runner: subprocess.Popen[str]) -> None:
    """As a power cut would, for this process alone."""
    runner.kill()
    runner.communicate()

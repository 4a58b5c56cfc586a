"""Claim: what a tracking server acknowledged is there after a SIGKILL at any moment, whole, and
the record still explains every row.

A real server process on a real file, twenty writers, one signal.
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from cloister.workflows.tracking import metrics, runs
from tests.attacks.killing import wait_until
from tests.conftest import ROOT
from tests.tracking.lab import TrackingLab
from tests.tracking.server import TOKEN

WRITERS = 20
_SERVE = """
import sys, time
from pathlib import Path
from tests.tracking.lab import TrackingLab
from tests.tracking.server import serving
lab = TrackingLab(Path(sys.argv[1]))
with serving(lab, port=int(sys.argv[2])):
    print("serving", flush=True)
    time.sleep(600)
"""


class Writer(threading.Thread):
    """Logs until nobody answers; remembers what was acknowledged."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__()
        self.number = number
        self.client = httpx.Client(
            base_url=f"{url}/api/2.0/mlflow",
            headers={"authorization": f"Bearer {TOKEN}"},
            timeout=60,
            trust_env=False,
        )
        self.run_id = ""
        self.steps: list[int] = []
        self.begun = threading.Event()

    def run(self) -> None:
        try:
            made = self.client.post("/runs/create", json={"experiment_id": "0"})
            self.run_id = made.raise_for_status().json()["run"]["info"]["run_id"]
            self.begun.set()
            for step in range(1_000_000):
                self.log(step).raise_for_status()
                self.steps.append(step)
        except httpx.TransportError:
            return  # the server is gone
        finally:
            self.begun.set()
            self.client.close()

    def log(self, step: int) -> httpx.Response:
        """Two points and a parameter: all of them, or none."""
        point = {"value": float(step), "timestamp": step, "step": step}
        body = {
            "run_id": self.run_id,
            "metrics": [{"key": "a", **point}, {"key": "b", **point}],
            "params": [{"key": f"p{step}", "value": "x"}],
        }
        return self.client.post("/runs/log-batch", json=body)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_was_acknowledged_outlives_a_kill_under_twenty_writers(
    tmp_path: Path, seed: int
) -> None:
    path, port = tmp_path / "lab.db", free_port()
    command = [sys.executable, "-c", _SERVE, str(path), str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "serving\n"
        writers = [Writer(f"http://127.0.0.1:{port}", number) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.begun.wait()
        wait_until(lambda: sum(len(writer.steps) for writer in writers) > WRITERS)
        threading.Event().wait(random.Random(seed).uniform(0.2, 1.2))
        server.kill()
        for writer in writers:
            writer.join()
    lab = TrackingLab(path)
    visit = lab.visit()
    for writer in writers:
        found = runs.get(visit, writer.run_id)
        logged = [int(name[1:]) for name in dict(found.params)]
        assert set(logged) >= set(writer.steps)
        assert len(logged) <= len(writer.steps) + 1, "the one under way, perhaps"
        for metric in ("a", "b"):
            points = metrics.whole(visit, writer.run_id, metric).found
            assert sorted(point.step for point in points) == sorted(logged)
    assert lab.audit().findings == ()
    lab.close()

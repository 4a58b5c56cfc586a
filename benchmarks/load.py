"""What tracking servers are sent: points one by one, a thousand at once, runs; by a crowd."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import subprocess
import sys
import threading
import time
from typing import Any

from benchmarks.clients import Client, Place, Wire


def metric(run: str, step: int) -> bytes:
    """A request to log one point."""
    return json.dumps(
        {"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1_700_000_000_000 + step,
         "step": step}
    ).encode()  # fmt: skip


def batch(run: str, first: int) -> bytes:
    """A request to log a thousand."""
    return json.dumps(
        {
            "run_id": run,
            "metrics": [
                {"key": "acc", "value": step / 7, "timestamp": 1_700_000_000_000 + step,
                 "step": step}
                for step in range(first, first + 1000)
            ],
        }
    ).encode()  # fmt: skip


def unmodified_ms(place: Place, calls: int) -> dict[str, float]:
    """One point logged by MLflow's own client, in a process of its own."""
    words = [sys.executable, "-W", "ignore", "-c", _CLIENT, str(calls)]
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": place.url,
        "MLFLOW_TRACKING_TOKEN": place.token or "none",
    }
    if place.ca_file:
        environment["MLFLOW_TRACKING_SERVER_CERT_PATH"] = place.ca_file
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


_CLIENT = """
import json, sys, time, mlflow
from benchmarks.shell import milliseconds
client, calls = mlflow.MlflowClient(), int(sys.argv[1])
run = client.create_run("0").info.run_id
steps = iter(range(1 << 40))
log = lambda: client.log_metric(run, "loss", 0.5, step=next(steps))
for _ in range(10):
    log()
print(json.dumps(milliseconds(log, calls)))
"""


def crowd(place: Place, clients: int, seconds: float) -> float:
    """Points a second, acknowledged, by that many clients in four processes."""
    context = mp.get_context("spawn")
    results: Any = context.SimpleQueue()
    barrier = context.Barrier(4)
    workers = [
        context.Process(target=_some, args=(place, clients // 4, seconds, barrier, results))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    rate = sum(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    return float(round(rate, 1))


def _some(place: Place, clients: int, seconds: float, barrier: Any, results: Any) -> None:
    made = [Client(place) for _ in range(clients)]
    runs = [one.begin() for one in made]
    counts = [0] * clients
    barrier.wait()
    wires = [Wire(one) for one in made]
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        step = 0
        while time.perf_counter() < end:
            wires[number].post("/runs/log-metric", metric(runs[number], step))
            step += 1
        counts[number] = step

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(sum(counts) / (time.perf_counter() - began))


def fill(place: Place, runs: int) -> None:
    """Runs with ten metrics, five parameters and five tags each."""
    threads = [threading.Thread(target=_fill, args=(place, runs // 4)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _fill(place: Place, runs: int) -> None:
    client = Client(place)
    for number in range(runs):
        run = client.begin(tags=[{"key": f"t{n}", "value": "x" * 20} for n in range(5)])
        point = {"timestamp": 1, "step": 1}
        body = {
            "run_id": run,
            "metrics": [{"key": f"m{n}", "value": number / 7 + n, **point} for n in range(10)],
            "params": [{"key": f"p{n}", "value": str(number % 5)} for n in range(5)],
        }
        client.post("/runs/log-batch", body)

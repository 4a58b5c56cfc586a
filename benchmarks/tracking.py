"""Tracking, against a stock `mlflow server` on SQLite in the same run.

    python -m benchmarks.tracking [--quick] [--at FOLDER] [--no-peer]

The same requests go to both over keep-alive connections from other processes, by a client
that does nothing but send them; ours over HTTPS with a token, as `cloister up` serves. The
sixteen at once send whole requests and look only at the status and the length of an answer, as
they share the machine with the server. The processor time that ours used for each of their
requests stands beside: of a busy machine it says more than the clock. One fdatasync and one
call of MLflow's client to a server that says yes at once are timed too: an acknowledged point
costs both; what else it costs is in docs/adr/0111.
Then our server alone with 10,000 runs, and with 1,000,000 points in one run.
"""

from __future__ import annotations

import argparse
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clients import API, Client
from benchmarks.line import append
from benchmarks.load import batch, crowd, fill, metric, unmodified_ms
from benchmarks.servers import Server, nobody, ours, stock
from benchmarks.shell import memory_mb, milliseconds, processor_s


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    calls: int
    seconds: float
    batches: int
    runs: int
    points: int


FULL = Size(calls=200, seconds=5.0, batches=20, runs=2000, points=100_000)
QUICK = Size(calls=40, seconds=1.0, batches=5, runs=100, points=10_000)


def sync_ms(at: Path | None, times: int) -> dict[str, float]:
    """One append of 512 bytes and one fdatasync on the disk that is measured."""
    with tempfile.TemporaryDirectory(dir=at) as folder:
        descriptor = os.open(f"{folder}/f", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        record = secrets.token_bytes(512)

        def durable() -> None:
            os.write(descriptor, record)
            os.fdatasync(descriptor)

        taken = milliseconds(durable, times)
        os.close(descriptor)
        return taken


def measure(server: Server, size: Size) -> dict[str, Any]:
    """All cases on one server."""
    place, client = server.place, Client(server.place)
    run = client.begin()
    steps = iter(range(1 << 40))
    found: dict[str, Any] = {"start_s": round(server.start_s, 2)}
    found["request_ms"] = milliseconds(lambda: client.get("/health"), size.calls)
    found["log_metric_ms"] = milliseconds(
        lambda: client.post("/runs/log-metric", metric(run, next(steps))), size.calls
    )
    found["log_metric_by_its_client_ms"] = unmodified_ms(place, size.calls)
    used = processor_s(server.pid)
    found["log_metric_16_clients_per_s"] = crowd(place, 16, size.seconds)
    used = (processor_s(server.pid) - used) / size.seconds
    if server.is_ours:
        each = used / found["log_metric_16_clients_per_s"]
        found["log_metric_16_clients_cpu_us"] = round(each * 1e6)
    bodies = iter([batch(run, 1000 * n) for n in range(size.points // 1000)])
    began = time.perf_counter()
    for _ in range(size.batches):
        client.post("/runs/log-batch", next(bodies))
    found["log_batch_points_per_s"] = round(size.batches * 1000 / (time.perf_counter() - began))
    for body in bodies:
        client.post("/runs/log-batch", body)
    asked = {"run_ids": run, "metric_key": "acc", "max_results": 2500}
    path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    found["history_ms"] = milliseconds(lambda: client.get(path, **asked), 5)
    found["create_run_ms"] = milliseconds(client.begin, size.calls)
    fill(place, size.runs)
    body = {"experiment_ids": ["0"], "max_results": size.runs}
    found["search_all_ms"] = milliseconds(lambda: client.post("/runs/search", body), 5)
    asked_for = "metrics.m3 > 5 and params.p1 = '2'"
    page = {"experiment_ids": ["0"], "max_results": 100}
    found["page_ms"] = milliseconds(lambda: client.post("/runs/search", page), 20)
    filtered = page | {"filter": asked_for, "order_by": ["metrics.m1 DESC"]}
    found["filtered_page_ms"] = milliseconds(lambda: client.post("/runs/search", filtered), 20)
    found["get_run_ms"] = milliseconds(
        lambda: client.get(f"{API}/runs/get", run_id=run), size.calls
    )
    found["memory_mb"] = memory_of(server.pid)
    return found


def memory_of(pid: int) -> float:
    """Resident memory of a process and its children, in MB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return round(memory_mb(pid)["rss"] + sum(memory_of(int(child)) for child in children), 1)


def times(peer: dict[str, Any], own: dict[str, Any]) -> dict[str, float]:
    """How many times as fast ours is."""
    found = {}
    for name, mine in own.items():
        if name not in peer:
            continue
        theirs = peer[name]
        if isinstance(mine, dict):
            found[name.removesuffix("_ms")] = round(theirs["p50"] / mine["p50"], 1)
        elif name.endswith("_per_s"):
            found[name.removesuffix("_per_s")] = round(mine / theirs, 1)
        else:
            found[name] = round(theirs / mine, 1)
    return found


def large(server: Server, runs: int, points: int, size: Size) -> Iterator[dict[str, Any]]:
    """Our server after many runs, and with many points in one of them."""
    client = Client(server.place)
    began = time.perf_counter()
    fill(server.place, runs)
    page = {"experiment_ids": ["0"], "max_results": 100}
    yield {
        "case": f"{runs:,} runs",
        "fill_s": round(time.perf_counter() - began, 1),
        "memory_mb": memory_of(server.pid),
        "page_ms": milliseconds(lambda: client.post("/runs/search", page), 20),
    }
    run = client.begin()
    began = time.perf_counter()
    for first in range(0, points, 1000):
        client.post("/runs/log-batch", batch(run, first))
    steps = iter(range(points, 1 << 40))
    asked = {"run_ids": run, "metric_key": "acc", "max_results": 2500}
    path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    yield {
        "case": f"{points:,} points in one run",
        "log_batch_points_per_s": round(points / (time.perf_counter() - began)),
        "log_metric_ms": milliseconds(
            lambda: client.post("/runs/log-metric", metric(run, next(steps))), size.calls
        ),
        "history_ms": milliseconds(lambda: client.get(path, **asked), 5),
        "get_run_ms": milliseconds(
            lambda: client.get(f"{API}/runs/get", run_id=run), size.calls
        ),
        "memory_mb": memory_of(server.pid),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--at", type=Path)
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    sync = sync_ms(options.at, size.calls)
    with ours(options.at) as server:
        own = measure(server, size)
    line: dict[str, Any] = {"case": "against mlflow server", "fdatasync_ms": sync, "ours": own}
    with nobody() as place:
        line["clients_own_call_ms"] = unmodified_ms(place, size.calls)
    least = sync["p50"] + line["clients_own_call_ms"]["p50"]
    line["log_metric_over_least"] = round(own["log_metric_by_its_client_ms"]["p50"] / least, 2)
    if not options.no_peer:
        with stock(options.at) as server:
            line["stock"] = measure(server, size)
        line["times"] = times(line["stock"], own)
    line["wanted"] = {
        "log_metric_over_least": 1.3, "log_metric_16_clients": 20, "log_batch_points": 10,
        "create_run": 10, "search_all": 10, "page_ms": 10, "history_ms": 50, "start_s": 1,
    }  # fmt: skip
    append("tracking", line)
    runs, points = (400, 20_000) if options.quick else (10_000, 1_000_000)
    with ours(options.at) as server:
        for one in large(server, runs, points, size):
            append("tracking", one | {"wanted_mb": 150})


if __name__ == "__main__":
    main()

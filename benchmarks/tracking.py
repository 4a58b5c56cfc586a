"""Tracking, against a stock `mlflow server` on SQLite in the same run.

    python -m benchmarks.tracking [--quick] [--at FOLDER] [--no-peer]

The same requests go to both over keep-alive connections from other processes, by a client
that does nothing but send them; ours over HTTPS with a token, as `cloister up` serves. The
sixteen at once send whole requests and look only at the status and the length of an answer, as
they share the machine with the server. The processor time that ours used for each of their
requests stands beside: of a busy machine it says more than the clock. One fdatasync and one
call of MLflow's client to a server that says yes at once are timed too: an acknowledged point
costs both.
Then our server alone with 10,000 runs, and with 1,000,000 points in one run.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing as mp
import os
import re
import secrets
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.line import append
from benchmarks.shell import memory_mb, new_lab, processor_s

_BELOW = "/api/2.0/mlflow"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_IDLE_S = 2.0
"""Servers hang up on connections that rest for five seconds."""


@dataclass(frozen=True)
class Place:
    """Where a server is, and how it wants to be asked."""

    url: str
    token: str = ""
    ca_file: str = ""


@dataclass(frozen=True)
class Server:
    """One that runs."""

    place: Place
    start_s: float
    pid: int
    is_ours: bool = False


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


class Client:
    """One keep-alive connection."""

    def __init__(self, place: Place) -> None:
        parts = urlsplit(place.url)
        assert parts.hostname is not None
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=place.ca_file)
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, context=context, timeout=300
            )
        else:
            self._connection = http.client.HTTPConnection(
                parts.hostname, parts.port, timeout=300
            )
        self._headers = {"content-type": "application/json"}
        if place.token:
            self._headers["authorization"] = f"Bearer {place.token}"
        self._connect()

    def _connect(self) -> None:
        self._connection.close()
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._used = time.perf_counter()

    def post(self, path: str, body: object) -> bytes:
        """The answer; anything but 200 raises."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask("POST", _BELOW + path, data)

    def get(self, path: str, **asked: object) -> bytes:
        """The answer; anything but 200 raises."""
        return self._ask("GET", f"{path}?{urlencode(asked)}" if asked else path, None)

    def begin(self, **fields: object) -> str:
        """A new run."""
        body = {"experiment_id": "0", "start_time": int(time.time() * 1000), **fields}
        told = json.loads(self.post("/runs/create", body))
        return str(told["run"]["info"]["run_id"])

    def _ask(self, method: str, path: str, data: bytes | None) -> bytes:
        if time.perf_counter() - self._used > _IDLE_S:
            self._connect()
        self._connection.request(method, path, data, self._headers)
        answer = self._connection.getresponse()
        told = answer.read()
        self._used = time.perf_counter()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {told[:300]!r}")
        return told


class Wire:
    """The connection of a client with nothing in between."""

    def __init__(self, client: Client) -> None:
        self._socket = client._connection.sock
        names = client._headers | {"host": "localhost"}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in names.items())

    def post(self, path: str, data: bytes) -> None:
        """One request and its answer, read to its end; anything but 200 raises."""
        head = (
            f"POST {_BELOW}{path} HTTP/1.1\r\n{self._head}content-length: {len(data)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + data)
        told = self._socket.recv(1 << 16)
        while (end := told.find(b"\r\n\r\n")) < 0:
            told += self._socket.recv(1 << 16)
        length = _LENGTH.search(told, 0, end)
        if not told.startswith(b"HTTP/1.1 200") or length is None:
            raise RuntimeError(f"{path}: {told[:300]!r}")
        missing = end + 4 + int(length[1]) - len(told)
        while missing > 0:
            missing -= len(self._socket.recv(1 << 16))


@contextmanager
def ours(at: Path | None) -> Iterator[Server]:
    """`cloister up` of a new lab."""
    with new_lab(at) as shell:
        began = time.perf_counter()
        process = shell.start("--json", "up", "--port", "0")
        assert process.stdout is not None
        told = _first_value(process.stdout)
        start_s = time.perf_counter() - began
        token = Path(told["token_file"]).read_text().strip()
        try:
            place = Place(told["url"], token, told["ca_file"])
            yield Server(place, start_s, process.pid, is_ours=True)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def _first_value(stream: Any) -> Any:
    text = ""
    for line in stream:
        text += line
        try:
            return json.loads(text)
        except ValueError:
            continue
    raise RuntimeError(f"it did not start: {text}")


@contextmanager
def stock(at: Path | None) -> Iterator[Server]:
    """`mlflow server` as it comes, on SQLite."""
    with tempfile.TemporaryDirectory(dir=at) as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [
            str(Path(sys.executable).parent / "mlflow"), "server", "--port", str(port),
            "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
            "--default-artifact-root", f"{folder}/artifacts",
        ]  # fmt: skip
        environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        began = time.perf_counter()
        with open(f"{folder}/log", "wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, env=environment,
                start_new_session=True,
            )  # fmt: skip
        place = Place(f"http://127.0.0.1:{port}")
        try:
            while not _answers(place):
                if process.poll() is not None:
                    raise RuntimeError(Path(f"{folder}/log").read_text()[-2000:])
                time.sleep(0.1)
            yield Server(place, time.perf_counter() - began, process.pid)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            time.sleep(1)


def _answers(place: Place) -> bool:
    try:
        return bool(Client(place).get("/health"))
    except (OSError, RuntimeError, http.client.HTTPException):
        return False


def milliseconds(work: Callable[[], object], times: int) -> dict[str, float]:
    """The median and the 95th percentile."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return {
        "p50": round(statistics.median(taken), 2),
        "p95": round(taken[int(0.95 * (times - 1))], 2),
    }


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
from benchmarks.tracking import milliseconds
client, calls = mlflow.MlflowClient(), int(sys.argv[1])
run = client.create_run("0").info.run_id
steps = iter(range(1 << 40))
log = lambda: client.log_metric(run, "loss", 0.5, step=next(steps))
for _ in range(10):
    log()
print(json.dumps(milliseconds(log, calls)))
"""


@contextmanager
def nobody() -> Iterator[Place]:
    """A server that says yes at once: what is left is the client's own call."""
    with subprocess.Popen(
        [sys.executable, "-c", _YES], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield Place(f"http://127.0.0.1:{process.stdout.readline().strip()}")
        process.kill()


_YES = """
import asyncio, json
RUN = {"run": {"info": {"run_id": "f" * 32, "experiment_id": "0"}}}
BODY = json.dumps(RUN).encode()
HEAD = (b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\n"
        b"content-length: %d\\r\\n\\r\\n")
class Yes(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.held = transport, b""
    def data_received(self, data):
        self.held += data
        head, found, body = self.held.partition(b"\\r\\n\\r\\n")
        if not found:
            return
        sizes = [int(line.split(b":")[1]) for line in head.lower().split(b"\\r\\n")
                 if line.startswith(b"content-length")]
        if len(body) >= sum(sizes):
            self.held = b""
            self.transport.write(HEAD % len(BODY) + BODY)
async def main():
    server = await asyncio.get_running_loop().create_server(Yes, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


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
    wires = [Wire(one) for one in made]
    counts = [0] * clients
    barrier.wait()
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
        lambda: client.get(f"{_BELOW}/runs/get", run_id=run), size.calls
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
            lambda: client.get(f"{_BELOW}/runs/get", run_id=run), size.calls
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

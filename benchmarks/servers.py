"""Tracking servers to ask: ours, a stock one, and one that is nothing but an answer."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import Client, Place
from benchmarks.shell import answered, new_lab


@dataclass(frozen=True)
class Server:
    """One that runs."""

    place: Place
    start_s: float
    pid: int
    is_ours: bool = False


@contextmanager
def ours(at: Path | None) -> Iterator[Server]:
    """`cloister up` of a new lab."""
    with new_lab(at) as shell:
        began = time.perf_counter()
        process = shell.start("--json", "up", "--port", "0")
        told = answered(process)
        start_s = time.perf_counter() - began
        token = Path(told["token_file"]).read_text().strip()
        try:
            place = Place(told["url"], token, told["ca_file"])
            yield Server(place, start_s, process.pid, is_ours=True)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


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

"""A Ray cluster on this machine, with token authentication and without usage statistics."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes import processes

_STORE_BYTES = 80 << 20
_PATIENCE_S = 120.0
_RAY = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=2")


@dataclass(frozen=True)
class Cluster:
    """Its head, and where its files lie."""

    port: int
    place: Path

    @property
    def address(self) -> str:
        return f"ray:127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """What whoever uses it has to know."""
        return {"RAY_AUTH_TOKEN_PATH": str(self.place / "token")}

    def processes(self) -> list[int]:
        marks = (os.fsencode(self.place), f":{self.port}".encode())
        return [pid for pid, words in processes() if any(one in words for one in marks)]

    def stored(self) -> list[bytes]:
        """The memory of the object store, which has no name in any folder."""
        found = []
        for pid in self.processes():
            for one in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if "plasma" in os.readlink(one):
                        found.append(one.read_bytes())
        return found

    def kill_head(self) -> None:
        """The process that keeps the cluster together, as a crash would."""
        for pid, words in processes():
            if b"gcs_server" in words and os.fsencode(self.place) in words:
                os.kill(pid, signal.SIGKILL)


@contextmanager
def cluster(
    nodes: int, variables: Mapping[str, str] | None = None, port: int = 0
) -> Iterator[Cluster]:
    """So many nodes, the first of them the head; none of its processes is left afterwards."""
    place = Path(tempfile.mkdtemp(prefix="ry-"))  # short: a socket's path has 107 bytes
    (place / "token").write_text("0123456789abcdef" * 4)
    made = Cluster(port or _free_port(), place)
    environment = {
        "HOME": str(place),
        "PATH": os.environ["PATH"],
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
        **made.variables,
        **(variables or {}),
    }
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        stack.callback(_end, made)
        head = ("--head", f"--port={made.port}", "--include-dashboard=false")
        kinds = [(*head, f"--temp-dir={place}/t", "--node-ip-address=127.0.0.1")]
        for number in range(2, nodes + 1):
            address = f"--address=127.0.0.1:{made.port}"
            kinds.append((address, f"--node-ip-address=127.0.0.{number}"))
        for kind in kinds:
            log = stack.enter_context((place / "log").open("ab+"))
            command = (*_RAY, f"--object-store-memory={_STORE_BYTES}", *kind)
            before = _started(place)
            started = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=place
            )
            stack.callback(started.wait)
            stack.callback(started.terminate)
            until = time.monotonic() + _PATIENCE_S
            while _started(place) == before:
                assert started.poll() is None, (place / "log").read_text()
                assert time.monotonic() < until, (place / "log").read_text()
                time.sleep(0.1)
        yield made


def _started(place: Path) -> int:
    return (place / "log").read_text().count("Ray runtime started")


def _end(made: Cluster) -> None:
    for pid in made.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _free_port() -> int:
    """One that Ray does not keep for its workers, 10002 to 19999."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

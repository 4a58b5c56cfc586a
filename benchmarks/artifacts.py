"""Artifacts up and down through `cloister up`, against a plain HTTP file server, on one disk.

    python -m benchmarks.artifacts [--quick] [--at FOLDER]

One client sends and reads files of one size over a keep-alive connection: ours over HTTPS with
a token, sealed on the way; the other is Python's own `http.server`, which takes and gives the
same bytes in clear over HTTP. Both have a file on the disk before they say so. Taken in turns,
so that what else runs on the machine meets both; the processor time that each server used is
given beside. Wanted: 0.7 of the plain server, both ways. TLS alone, from a Python server that
sends one block over and over to this client, reaches about half of the same in clear.

Where a MiB on its way down goes, as processor time of one thread (medians of 40, each part by
itself, on a busy machine): read from the disk's cache 38 us, AES-GCM opened 111 us, each copy
of it 23 us, TLS written 342 us, given to a socket 66 us; and 340 us of TLS in the client,
that the plain server's client is spared. That server uses 420 us in all, ours 1000
(of 256 MiB, quiet): what the sum leaves over is the server's event loop and its copies.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.clients import Client, Place
from benchmarks.line import append
from benchmarks.servers import ours
from benchmarks.shell import processor_s

MIB = 1 << 20
_BELOW = "/api/2.0/mlflow-artifacts/artifacts"
_PLAIN = """
import http.server, os, sys
class Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *said): pass
    def do_PUT(self):
        left = int(self.headers["content-length"])
        with open(self.translate_path(self.path), "wb") as file:
            while left:
                block = self.rfile.read(min(left, 1 << 20))
                file.write(block)
                left -= len(block)
            file.flush()
            os.fdatasync(file.fileno())
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@contextmanager
def plain(at: Path | None) -> Iterator[tuple[Place, int]]:
    """A file server in clear, and its process."""
    with tempfile.TemporaryDirectory(dir=at) as folder:
        words = [sys.executable, "-c", _PLAIN, folder]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield Place(f"http://127.0.0.1:{process.stdout.readline().strip()}"), process.pid
            process.kill()


class Files:
    """One keep-alive connection that sends files and reads them."""

    def __init__(self, place: Place, prefix: str) -> None:
        self._connection, self._headers = place.connection(), place.headers
        self._prefix = prefix

    def put(self, name: str, body: bytes) -> None:
        """Sends one; it is on the disk when this returns."""
        self._connection.request("PUT", f"{self._prefix}/{name}", body, self._headers)
        self._told()

    def get(self, name: str) -> int:
        """Reads one to its end; gives how long it is."""
        self._connection.request("GET", f"{self._prefix}/{name}", headers=self._headers)
        return self._told()

    def _told(self) -> int:
        answer = self._connection.getresponse()
        size, block = 0, bytearray(MIB)
        while count := answer.readinto(block):
            size += count
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {bytes(block[:300])!r}")
        return size


def rate(work: Callable[[], object], size_bytes: int, pid: int) -> tuple[float, float]:
    """MB/s of one call, and the milliseconds of processor time a MB that a process used."""
    used, began = processor_s(pid), time.perf_counter()
    work()
    wall_s = time.perf_counter() - began
    return size_bytes / wall_s / 1e6, (processor_s(pid) - used) * 1e9 / size_bytes


Taken = dict[str, list[tuple[float, float]]]
"""By server: MB/s and milliseconds of processor time a MB, of each turn."""


def measure(
    files: dict[str, tuple[Files, int]], size_bytes: int, turns: int
) -> dict[str, Taken]:
    """Up and down, both servers in turns."""
    body = secrets.token_bytes(size_bytes)
    taken: dict[str, Taken] = {way: {name: [] for name in files} for way in ("up", "down")}
    for turn in range(turns + 1):  # the first warms up
        for name, (one, pid) in files.items():
            put = rate(lambda one=one, turn=turn: one.put(f"f{turn}", body), size_bytes, pid)
            get = rate(lambda one=one, turn=turn: one.get(f"f{turn}"), size_bytes, pid)
            if turn:
                taken["up"][name].append(put)
                taken["down"][name].append(get)
    return taken


def told(case: str, taken: Taken) -> dict[str, Any]:
    """The line of one way: medians, and what they are medians of."""
    speeds = {name: [speed for speed, _ in each] for name, each in taken.items()}
    pairs = zip(speeds["ours"], speeds["plain"], strict=True)
    return {
        "case": case,
        "of_plain": round(statistics.median(mine / its for mine, its in pairs), 2),
        "mb_per_s": {name: round(statistics.median(each), 1) for name, each in speeds.items()},
        "cpu_ms_per_mb": {
            name: round(statistics.median(cpu for _, cpu in each), 2)
            for name, each in taken.items()
        },
        "wanted_of_plain": 0.7,
        "samples_mb_per_s": {
            name: [round(one, 1) for one in each] for name, each in speeds.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--at", type=Path)
    options = parser.parse_args()
    sizes, turns = ((64 * MIB,), 3) if options.quick else ((MIB, 256 * MIB), 7)
    with ours(options.at) as server, plain(options.at) as (place, pid):
        run = Client(server.place).begin()
        both = {
            "ours": (Files(server.place, f"{_BELOW}/0/{run}/artifacts"), server.pid),
            "plain": (Files(place, ""), pid),
        }
        for size in sizes:
            for way, taken in measure(both, size, turns).items():
                append("artifacts", told(f"{size / 1e6:.0f} MB {way}", taken))


if __name__ == "__main__":
    main()

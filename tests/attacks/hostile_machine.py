"""A machine that knows the key of its line and says what it likes of a run."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloister.core.values import FenceLevel
from cloister.fence import Captured, FenceSpec, Mount, Watch
from cloister.runs.environment import Environment
from cloister.workflows.far.connection import Connection, Host
from cloister.workflows.far.sealed import Gone, Sealing
from cloister.workflows.far.there import There


class Wire:
    """A line in memory; the other end is in the hands of the test."""

    where = "ssh:hostile"

    def __init__(self) -> None:
        key = bytes(32)
        self.ours, self.theirs = Sealing(key, far=False), Sealing(key, far=True)
        self.came: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.heard: list[dict[str, Any]] = []
        self.closed = threading.Event()

    def say(self, sealed: bytes) -> None:
        self.heard.append(self.theirs.open(sealed))

    def hear(self, patience_s: float) -> bytes | None:
        try:
            found = self.came.get(timeout=patience_s)
        except queue.Empty:
            return None
        if found is None:
            raise Gone("it hung up")
        return found

    def close(self) -> None:
        self.closed.set()
        self.came.put(None)

    def answer(self, *told: Mapping[str, Any]) -> None:
        for one in told:
            self.came.put(self.theirs.seal(one))


REPORT = {
    "exit_status": 0,
    "level": "full",
    "network_attempts": 0,
    "notes": [],
    "peak_memory_bytes": 0,
    "refused_syscalls": {},
    "setup_ms": 1,
    "wall_ms": 1,
}
CHANGES = {"do": "changes"}
LEFT = {"do": "left", "out": []}


def asked(
    wire: Wire,
    *told: Mapping[str, Any],
    mounts: tuple[Mount, ...] = (),
    watch: Watch | None = None,
) -> list[str]:
    """What a hostile machine's answers come to: the paths that were taken in."""
    host = Host(wire.where, Environment("", b"", 0), {}, 1, 0, sys.executable)
    there = There(Connection(wire, wire.ours, host))
    wire.answer(*told)
    taken: list[str] = []

    def capture(changes: Captured) -> None:
        for one in changes:
            with one.open() as stream:
                stream.read()
            taken.append(one.path)

    room = 1 << 20
    spec = FenceSpec(
        ("x",), Path("/w"), required=FenceLevel.FULL, data=mounts, scratch_bytes=room
    )
    there.run(spec, on_output=lambda _: None, capture=capture, watch=watch)
    return taken

"""Starts the process that builds the fence: a fresh interpreter with nothing of ours in it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cloister
from cloister.fence.inside.wire import Channel

_PATIENCE_S = 30.0  # the kernel gives back a large job's memory meanwhile
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from cloister.fence.inside.warden import main; main()"
)


@dataclass(frozen=True, slots=True)
class Warden:
    """The started process and our end of the line to it."""

    process: subprocess.Popen[bytes]
    channel: Channel
    complaints: int
    """Descriptor of what it wrote to standard error: empty unless it broke."""

    def complaint(self) -> str:
        """The last line it wrote to standard error."""
        size = os.fstat(self.complaints).st_size
        text = os.pread(self.complaints, 4096, max(0, size - 4096)).decode(errors="replace")
        return text.strip().rpartition("\n")[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Lets go, and waits until it and all below it are gone."""
        self.channel.close()
        try:
            self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.complaints)


def start_warden(plan: bytes, stdio: Sequence[int]) -> Warden:
    """Starts the inside with a plan and the job's three standard descriptors.

    No secret crosses: new program, empty environment, only the listed descriptors. It waits
    for ``go``, so that the caller can place it (in a cgroup) first.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    plan_file = _memory_file("plan", plan)
    complaints = _memory_file("complaints", b"")
    passed = (theirs.fileno(), plan_file, *stdio)
    home = str(Path(cloister.__file__).parent.parent)
    command = [sys.executable, "-I", "-S", "-c", _BOOT, home, *map(str, passed)]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            pass_fds=passed,
            env={},
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the job; the runner passes it on
        )
    finally:
        theirs.close()
        os.close(plan_file)
    return Warden(process, Channel(ours), complaints)


def _memory_file(name: str, content: bytes) -> int:
    descriptor = os.memfd_create(name)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor

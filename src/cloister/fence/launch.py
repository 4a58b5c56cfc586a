"""Starts the process that builds the fence: a fresh interpreter with nothing of ours in it."""

from __future__ import annotations

import os
import select
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
_BOOT = (  # it makes no cycles worth collecting, and looking for them takes a millisecond
    "import gc, sys; gc.disable(); sys.path.insert(0, sys.argv[1]);"
    "from cloister.fence.inside.warden import main; main()"
)


@dataclass(frozen=True, slots=True)
class Warden:
    """The started process and our end of the line to it."""

    process: subprocess.Popen[bytes]
    channel: Channel
    exit: int
    """Descriptor that becomes readable when it ends: waiting on it costs no polling."""
    complaints: int
    """Descriptor of what it wrote to standard error: empty unless it broke."""

    def begin(self, plan: bytes) -> None:
        """Hands over what to build and run."""
        with os.fdopen(os.memfd_create("plan"), "wb") as file:
            file.write(plan)
            file.flush()
            file.seek(0)
            self.channel.send(b"plan", descriptors=[file.fileno()])

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
        if not select.select([self.exit], [], [], _PATIENCE_S)[0]:
            self.process.kill()
        self.process.wait()
        os.close(self.exit)
        os.close(self.complaints)


def start_warden(stdio: Sequence[int]) -> Warden:
    """Starts the inside with the job's three standard descriptors; it waits for ``begin``.

    No secret crosses: new program, empty environment, only the listed descriptors.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    complaints = os.memfd_create("complaints")
    passed = (theirs.fileno(), *stdio)
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
    return Warden(process, Channel(ours), os.pidfd_open(process.pid), complaints)

"""What runs on the other machine: it opens what comes, hands it to a fence, seals what ends.

``python -m cloister.workflows.far.relay`` speaks on its standard descriptors, which ssh
carries. Nothing is written to a disk: the working folder, values and files are in the memory
of this process and of the fence, and all of it ends with the connection.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

import cloister
from cloister import fence
from cloister.core.errors import CloisterError, Tampered
from cloister.core.values import FenceLevel
from cloister.fence import FenceSpec
from cloister.keys.exchange import Exchange
from cloister.pipelines.inside.frames import Frames, pack, write_all
from cloister.runs import environment, restoring, settings
from cloister.runs.history import fence_body
from cloister.workflows.far.job import OURS, PATH, Job
from cloister.workflows.far.lending import Lender
from cloister.workflows.far.sealed import HEARTBEAT_S, QUIET_S, Sealing
from cloister.workflows.far.worker import Fenced

_CHUNK = 1 << 18
_SET_DUMPABLE = 4
_HEAR_S = 2.0


class Relay:
    """Between the line and the fence; ``say`` takes what goes back, in order.

    Lives as long as the other end is heard: then its fence ends, and with it everything that
    it was told.
    """

    def __init__(self, say: Callable[[bytes], None]) -> None:
        self._say = say
        self._exchange = Exchange()
        self._lender = Lender.of(os.environ)  # noqa: TID251 - a process that nobody wires
        self._sealing: Sealing | None = None
        self._fenced: Fenced | None = None
        self._job: Job | None = None
        self._lock = threading.Lock()
        self._last_s = time.monotonic()
        self._followed: threading.Thread | None = None

    def hello(self) -> bytes:
        """What this machine is, before anything was told to it."""
        found = environment.capture(sys.executable, "", Path("/"))
        told = {
            "cloister": own_code(),
            "description": found.description,
            "environment": found.digest,
            "gpus": len(self._lender.gpus),
            "public": self._exchange.public,
            "python": os.fsencode(sys.executable),
            "settings": settings.capture({}),
            "slots": len(os.sched_getaffinity(0)),
        }
        return bytes(msgpack.packb(told))

    @property
    def is_forgotten(self) -> bool:
        """Whether the other end has been quiet for too long."""
        return time.monotonic() - self._last_s > QUIET_S

    def hears(self) -> None:
        """Something came, be it part of a message: the other end is there."""
        self._last_s = time.monotonic()

    def heed(self, frame: bytes) -> None:
        """Takes what came over the line; raises Tampered for what is not of the other end."""
        self.hears()
        if self._sealing is None:
            self._sealing = Sealing(self._exchange.agree(frame), far=True)
            threading.Thread(target=self._beat, daemon=True).start()
            return
        told = self._sealing.open(frame)
        if told["do"] == "alive":
            return
        if self._job is not None:
            self._job.heed(told)
        elif told["do"] == "prepare":
            self._job = Job(self._tell, self._lender)
            self._job.heed(told)
        elif told["do"] == "open":
            self._open(told)
        elif told["do"] == "end":
            self.end()
        elif self._fenced is None:
            raise Tampered("a call came before the fence")
        elif told["do"] == "plan":  # it takes its time, and the line is heard meanwhile
            arguments = (self._fenced, told["file"], told["name"], told["chosen"])
            self._followed = threading.Thread(target=self._follow, args=arguments, daemon=True)
            self._followed.start()
        else:
            self._fenced.say(told)

    def end(self) -> None:
        """Ends the fence and all in it; says what it did."""
        if self._fenced is None:
            return
        fenced, self._fenced = self._fenced, None
        fenced.close()
        if self._followed is not None:
            self._followed.join(HEARTBEAT_S)
        report = None if fenced.report is None else fence_body(fenced.report)
        self._tell({"do": "report", "report": report})

    def _open(self, told: Mapping[str, Any]) -> None:
        tree = restoring.unpack(told["archive"])
        workdir = Path(os.fsdecode(told["workdir"]))
        kept = {name: text for name, text in told["variables"].items() if name not in OURS}
        argv = (sys.executable, "-m", "cloister.pipelines.inside")
        spec = FenceSpec(
            argv=argv,
            workdir=workdir,
            env={**kept, "PATH": PATH},
            reads=fence.interpreter_paths(argv[0], PATH),
            restored=lambda folder: restoring.write(tree, folder),
            required=FenceLevel(told["required"]),
        )
        self._fenced = Fenced(spec, told["slots"])

    def _follow(
        self, fenced: Fenced, file: str, name: str | None, chosen: Mapping[str, str]
    ) -> None:
        """Has the file read; then passes on what the fence says, until it is over."""
        with suppress(OSError):
            self._tell(_planned(fenced, file, name, chosen))
            sent = 0
            while not fenced.over:
                said = fenced.hear(1.0)
                if len(fenced.log) > sent:
                    log = bytes(fenced.log[sent:])
                    sent += len(log)
                    self._tell({"do": "log", "log": log})
                if said is not None:
                    self._tell(said)
            self._tell({"do": "over"})

    def _beat(self) -> None:
        with suppress(OSError):
            while True:
                self._tell({"do": "alive"})
                time.sleep(HEARTBEAT_S)

    def _tell(self, told: Mapping[str, Any]) -> None:
        assert self._sealing is not None
        with self._lock:  # sealed in the order in which it is sent
            self._say(self._sealing.seal(told))


class Carried:
    """A relay whose messages another program carries, which calls each method in one thread.

    Its process ends when nobody carries anything any more.
    """

    def __init__(self) -> None:
        keep_to_oneself()
        fence.sweep()
        self._out: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._relay = Relay(self._out.put)
        self._out.put(self._relay.hello())
        threading.Thread(target=self._watch, daemon=True).start()

    def say(self, sealed: bytes) -> None:
        """One message from the other end."""
        self._relay.heed(sealed)

    def hear(self) -> list[bytes]:
        """What goes to the other end: at once if there is something, else soon."""
        found: list[bytes] = []
        with suppress(queue.Empty):
            found.append(self._out.get(timeout=_HEAR_S))
            while sum(map(len, found)) < _CHUNK:
                found.append(self._out.get_nowait())
        return found

    def _watch(self) -> None:
        while not self._relay.is_forgotten:
            time.sleep(1.0)
        self._relay.end()
        os._exit(1)


def _planned(
    fenced: Fenced, file: str, name: str | None, chosen: Mapping[str, str]
) -> dict[str, Any]:
    try:
        return {"do": "plan", "plan": fenced.plan(file, name, chosen)}
    except CloisterError as error:
        kind = type(error).__name__
        return {"do": "plan", "error": error.message, "hint": error.hint, "kind": kind}


def own_code() -> str:
    """SHA-256, hex, over every module of this Cloister: both ends run the same."""
    root = Path(cloister.__file__).parent
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(str(path.relative_to(root)).encode() + b"\0")
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def keep_to_oneself() -> None:
    """No core file holds what this process does, and no other of its user looks into it."""
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def main() -> int:
    """Serves one connection, until it ends or is quiet for too long."""
    keep_to_oneself()
    fence.sweep()
    source, sink = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    relay, frames = Relay(lambda sealed: write_all(sink, pack(sealed))), Frames()
    try:
        write_all(sink, pack(relay.hello()))
        while not relay.is_forgotten:
            if not select.select([source], [], [], 1.0)[0]:
                continue
            data = os.read(source, _CHUNK)
            if not data:
                break
            relay.hears()
            for frame in frames.feed(data):
                relay.heed(frame)
        relay.end()
    except (BrokenPipeError, ConnectionError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

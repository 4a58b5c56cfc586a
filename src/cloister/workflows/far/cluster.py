"""The line ``ray:``: workers on the nodes of a Ray cluster, by way of a process of its own."""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.pipelines.inside.frames import Frames, pack, write_all
from cloister.workflows.far.sealed import Gone

SCHEME = "ray:"
_ADDRESS = re.compile(r"ray:(?P<head>[A-Za-z0-9_][A-Za-z0-9_.-]*:[0-9]{1,5})")
_MODULE = "cloister.workflows.far.ray_driver"
_FORCED = {
    "RAY_AUTH_MODE": "token",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_PASSED = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_START_S = 90.0
_CHUNK = 1 << 18
_MOST_CPUS = 1 << 16


class Cluster:
    """One cluster, and the process that speaks to it; started again where it ended."""

    def __init__(self, text: str, cpus: int, environment: Mapping[str, str]) -> None:
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise BadInput(f"{text!r} is no place to run on", hint="ray:head.ward:6379")
        self.text, self._head, self._cpus = text, found["head"], cpus
        passed = {name: environment[name] for name in _PASSED if name in environment}
        self._variables = {**passed, **_FORCED}
        self._running: _Driver | None = None
        self._lock = threading.Lock()

    def nodes(self) -> Mapping[str, int]:
        """Its nodes and their processors, as far as they are known."""
        return {} if self._running is None else self._running.nodes

    def slots(self, node: str) -> int:
        """How many calls are made there at a time."""
        return min(self._cpus or _MOST_CPUS, self.nodes().get(node, 1))

    def start(self) -> None:
        """Asks it; raises NotFound where none answers, NotAllowed for one that lets in anybody
        or reports its use."""
        with self._lock:
            if self._running is None or self._running.over:
                self._running = _Driver.start(self.text, self._command(), self._variables)

    def line(self, node: str) -> RayLine:
        """To a worker on a node."""
        self.start()
        assert self._running is not None
        return RayLine(self._running, node, at(self.text, node))

    def anywhere(self, cpus: int, gpus: int) -> RayLine:
        """To a worker on a node of the cluster's choice, that has so much to lend."""
        self.start()
        assert self._running is not None
        return RayLine(self._running, "", self.text, (cpus, gpus))

    def close(self) -> None:
        """Ends the process, and with it the workers."""
        if self._running is not None:
            self._running.close()

    def _command(self) -> list[str]:
        return [sys.executable, "-m", _MODULE, self._head, str(self._cpus)]


@dataclass(slots=True)
class _Driver:
    """The process, and what came from each node."""

    process: subprocess.Popen[bytes]
    nodes: Mapping[str, int] = field(default_factory=dict)
    over: bool = False
    chosen: str = ""
    """The node that the cluster chose, where that was left to it."""
    _came: dict[str, queue.Queue[bytes | None]] = field(default_factory=dict)
    _first: queue.Queue[list[object]] = field(default_factory=queue.Queue)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls, text: str, command: list[str], variables: Mapping[str, str]) -> _Driver:
        made = cls(
            subprocess.Popen(  # noqa: S603 - our own interpreter and code
                command,
                env=dict(variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
            )
        )
        threading.Thread(target=made._listen, name="ray", daemon=True).start()
        try:
            what, *told = made._first.get(timeout=_START_S)
        except queue.Empty:
            what, told = "away", ["the Ray cluster does not answer", "ray status"]
        if what == "nodes":
            return made
        made.close()
        kind = NotAllowed if what == "refused" else NotFound
        raise kind(f"{text}: {told[0]}", hint=str(told[1]))

    def tell(self, *told: object) -> None:
        with self._lock, suppress(OSError, ValueError):
            assert self.process.stdin is not None
            write_all(self.process.stdin.fileno(), pack(list(told)))

    def opened(self, node: str, *wanted: int) -> queue.Queue[bytes | None]:
        self._came[node] = queue.Queue()
        self.tell("open", node, *wanted)
        return self._came[node]

    def close(self) -> None:
        with self._lock, suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        try:
            self.process.wait(10.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        frames = Frames()
        with self.process.stdout as said:
            while data := said.read(_CHUNK):
                for told in frames.feed(data):
                    self._heed(*told)
        self.over = True
        self._first.put(["away", "it cannot be spoken to", "is the extra `ray` installed?"])
        for came in list(self._came.values()):
            came.put(None)

    def _heed(self, what: str, *told: object) -> None:
        if what == "nodes" and isinstance(told[0], dict):
            self.nodes = told[0]
        if what == "chose":
            self.chosen = str(told[0])
        came = self._came.get(str(told[0]))
        if what == "said" and came is not None and isinstance(told[1], bytes):
            came.put(told[1])
        elif what == "gone" and came is not None:
            came.put(None)
        elif what in {"nodes", "refused", "away"}:
            self._first.put([what, *told])


class RayLine:
    """One worker. See `Line`."""

    def __init__(
        self, driver: _Driver, node: str, where: str, wanted: tuple[int, ...] = ()
    ) -> None:
        self.where = where
        self._driver, self._node = driver, node
        self._came = driver.opened(node, *wanted)
        self._closed = False

    def say(self, sealed: bytes) -> None:
        """See `Line`."""
        self._driver.tell("say", self._node, sealed)

    def hear(self, patience_s: float) -> bytes | None:
        """See `Line`."""
        try:
            came = self._came.get(timeout=patience_s)
        except queue.Empty:
            return None
        if came is None:
            raise Gone("the cluster has no worker there any more")
        if not self._node and self._driver.chosen:
            self.where = at(self.where.partition(" ")[0], self._driver.chosen)
        return came

    def close(self) -> None:
        """See `Line`."""
        if not self._closed:
            self._closed = True
            self._came.put(None)
            self._driver.tell("close", self._node)


def at(text: str, node: str) -> str:
    """A node of the cluster at ``text``, as it goes on record."""
    return f"{text} node {node[:16]}"

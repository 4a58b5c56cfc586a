"""Carries sealed messages to workers on the nodes of a Ray cluster; a process of its own.

``python -m cloister.workflows.far.ray_driver ADDRESS CPUS`` speaks on its standard
descriptors. It holds no key and no value in plain, and is the only code that imports Ray.
What it does not start against: a cluster that lets in whoever asks, or that reports its use.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

import ray
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cloister.pipelines.inside.frames import Frames, pack, write_all
from cloister.workflows.far import relay

_CHUNK = 1 << 18
_LOOK_S = 2.0
_PROBE_S = 30.0
_ANSWER_S = 60.0
_CALLS = 10_000
_PROBE = """
import sys
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
try:
    GcsClient(address=sys.argv[1]).internal_kv_keys(b"", namespace=b"cluster", timeout=10)
except AuthenticationError:
    print("closed")
else:
    print("open")
"""


class Carried(relay.Carried):
    """A relay that knows on which node it is."""

    def node(self) -> str:
        """Its id."""
        return str(ray.get_runtime_context().get_node_id())


class Driver:
    """Between the descriptors and the cluster."""

    def __init__(self, source: int, sink: int, cpus: int) -> None:
        self._source, self._sink, self._cpus = source, sink, cpus
        self._workers: dict[str, Any] = {}
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Until its input ends: then the cluster ends the workers."""
        frames, known = Frames(), dict[str, int]()
        while True:
            if select.select([self._source], [], [], _LOOK_S)[0]:
                data = os.read(self._source, _CHUNK)
                if not data:
                    return
                for told in frames.feed(data):
                    self._heed(*told)
            found = nodes()
            if found != known:
                known = found
                self.say("nodes", found)

    def say(self, *told: Any) -> None:
        """One message to whoever started this."""
        with self._lock:
            write_all(self._sink, pack(list(told)))

    def _heed(self, what: str, node: str, *told: Any) -> None:
        if what == "open":
            self._open(node, *told)
        elif what == "close":
            worker = self._workers.pop(node, None)
            if worker is not None:
                ray.kill(worker)
        elif node in self._workers:
            self._workers[node].say.options(concurrency_group="say").remote(told[0])

    def _open(self, node: str, *wanted: int) -> None:
        """A worker on ``node``; where that is none, on one that has what is ``wanted``."""
        if node:
            there = nodes().get(node, 1)
            asked = {
                "num_cpus": min(self._cpus or there, there),
                "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False),
            }
        else:
            asked = dict(zip(("num_cpus", "num_gpus"), wanted, strict=True))
        worker = (
            ray.remote(concurrency_groups={"say": 1, "hear": 1})(Carried)
            .options(max_restarts=0, **asked)
            .remote()
        )
        self._workers[node] = worker
        threading.Thread(target=self._listen, args=(node, worker), daemon=True).start()

    def _listen(self, node: str, worker: Any) -> None:
        with suppress(OSError):
            try:
                if not node:
                    self.say("chose", ray.get(worker.node.remote()))
                while True:
                    heard = worker.hear.options(concurrency_group="hear").remote()
                    for sealed in ray.get(heard, timeout=_ANSWER_S):
                        self.say("said", node, sealed)
            except RayError as error:
                self.say("gone", node, type(error).__name__)


def nodes() -> dict[str, int]:
    """Those that are there, and how many processors the cluster has of each."""
    return {
        str(one["NodeID"]): int(one["Resources"]["CPU"])
        for one in ray.nodes()
        if one["Alive"] and one["Resources"].get("CPU", 0) >= 1
    }


def refusal(address: str) -> tuple[str, str, str] | None:
    """Why nothing is begun there: what it is (``away`` or ``refused``), why, and what to do.

    The token is not shown to a cluster before it has turned away one who has none.
    """
    try:
        probe = subprocess.run(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-I", "-c", _PROBE, address],
            env={"HOME": "/nonexistent", "RAY_AUTH_MODE": "disabled"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_S,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired:
        probe = b""
    if probe == b"open\n":
        return (
            "refused",
            "the Ray cluster lets in whoever asks",
            "start every node of it with RAY_AUTH_MODE=token and one token",
        )
    if probe != b"closed\n":
        return "away", "no Ray cluster answers there", "is its head up? ray status"
    return _checked(address)


def _checked(address: str) -> tuple[str, str, str] | None:
    try:
        client = GcsClient(address=address)
        known = client.internal_kv_get(b"CLUSTER_METADATA", namespace=b"cluster", timeout=10)
    except AuthenticationError:
        hint = "RAY_AUTH_TOKEN_PATH names the file that holds the cluster's token"
        return "refused", "the Ray cluster does not take the token", hint
    # Only a head that reports its use to Ray's makers notes when it was started.
    if known is None or "session_start_timestamp_ms" in json.loads(known):
        hint = "start its head with RAY_USAGE_STATS_ENABLED=0"
        return "refused", "the Ray cluster reports its use to Ray's makers", hint
    return None


def main(address: str, cpus: str) -> int:
    """Serves one run of a pipeline."""
    source, sink = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    driver = Driver(source, sink, int(cpus))
    refused = refusal(address)
    if refused is not None:
        driver.say(*refused)
        return 1
    ray.init(address, log_to_driver=False, configure_logging=False)
    with suppress(OSError):
        driver.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""The end of the line where a job runs: its fence, filled from there and read out to there."""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cloister import fence
from cloister.core.errors import CloisterError, Tampered
from cloister.core.values import FenceLevel
from cloister.fence import (
    Captured,
    Change,
    ChangeKind,
    Door,
    FenceSpec,
    File,
    Files,
    Mount,
    Watch,
)
from cloister.runs import environment, gpus, restoring, settings
from cloister.runs.checkpoints import Checkpoint, Checkpoints, Looks, Torn
from cloister.runs.history import fence_body
from cloister.runs.meters import EVERY_S, Meters
from cloister.runs.restoring import Tree
from cloister.workflows.far.carrier import JOB, PIECE, Carrier, pieces
from cloister.workflows.far.lending import VISIBLE, Lender, Lent
from cloister.workflows.far.sealed import Gone
from cloister.workflows.far.streams import MOST, Streams

OURS = ("CONDA_PREFIX", "CUDA_HOME", VISIBLE, "PYTHONPATH", "VIRTUAL_ENV")
"""Of the asking machine alone."""
_LOOKS_S = 0.05
_MOST_LEFT = 1000
PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is settled here before the job begins on record there."""

    tree: Tree
    argv: tuple[str, ...]
    variables: Mapping[str, str]
    lent: Lent
    reads: tuple[Path, ...]


class Job:
    """One job, for whoever is at the other end; ``tell`` seals and sends, in order."""

    def __init__(self, tell: Callable[[Mapping[str, Any]], None], lender: Lender) -> None:
        self._carrier, self._lender = Carrier(tell), lender
        self._streams = Streams(self._carrier)
        self._came: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._ground: _Ground | None = None
        self._signals, self._signal = os.pipe()
        self._signalled = threading.Event()

    def heed(self, told: Mapping[str, Any]) -> None:
        """Takes in a message; never waits. Raises Tampered for what none here sends."""
        if self._carrier.heed(told) or self._streams.heed(told):
            return
        if told["do"] in {"prepare", "run"}:
            work = self._prepare if told["do"] == "prepare" else self._run
            threading.Thread(target=self._guarded, args=(work, told), daemon=True).start()
        elif told["do"] in {"file", "content", "filled"}:
            self._came.put(told)
        elif told["do"] == "signal":
            self._signalled.set()
            os.write(self._signal, bytes([told["number"]]))
        else:
            raise Tampered("a message between machines is none that is known")

    def _guarded(
        self, work: Callable[[Mapping[str, Any]], None], told: Mapping[str, Any]
    ) -> None:
        try:
            with suppress(Gone):
                work(told)
        except CloisterError as error:
            self._refuse(type(error).__name__, error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - its words may name files; stderr is a log
            self._refuse("", f"it broke there: {type(error).__name__}", None)

    def _refuse(self, kind: str, error: str, hint: str | None) -> None:
        self._carrier.tell({"do": "refused", "kind": kind, "error": error, "hint": hint})

    def _prepare(self, told: Mapping[str, Any]) -> None:
        tree = restoring.unpack(told["archive"])
        argv = tuple(os.fsdecode(word) for word in told["argv"])
        lent = self._lender.lend(
            told["cpus"], told["gpus"], lambda: self._carrier.tell({"do": "waits"})
        )
        kept = {name: text for name, text in told["variables"].items() if name not in OURS}
        own = {VISIBLE: ",".join(map(str, range(len(lent.gpus))))} if lent.gpus else {}
        variables = {**kept, **own, "PATH": PATH}
        with fence.scratch() as folder:  # a command may be part of the code
            _write(tree, folder)
            found = environment.capture(argv[0], PATH, folder)
            shown = fence.interpreter_paths(argv[0], PATH, folder)
        reads = tuple(path for path in shown if folder not in (path, *path.parents))
        self._ground = _Ground(tree, argv, variables, lent, reads)
        self._carrier.tell(
            {
                "do": "prepared",
                "description": found.description,
                "settings": settings.capture(variables, argv, lent.cpus),
            }
        )

    def _run(self, told: Mapping[str, Any]) -> None:
        spec, over, watched = self._spec(told), threading.Event(), _watched(told)
        looks = Looks(watched, self._rested) if watched else None
        threading.Thread(target=self._meter, args=(over,), daemon=True).start()
        try:
            report = fence.run(
                spec,
                on_output=partial(self._said, 1),
                on_error=partial(self._said, 2),
                capture=partial(self._capture, watched),
                watch=Watch(looks.checkpoints.moment_s, looks) if looks else None,
            )
        finally:
            over.set()
        self._carrier.tell({"do": "report", "report": fence_body(report)})

    def _spec(self, told: Mapping[str, Any]) -> FenceSpec:
        ground = self._ground
        if ground is None:
            raise Tampered("a job came before what it starts from")
        door, own = told["door"], int(told["prepared"])
        return FenceSpec(
            argv=ground.argv,
            workdir=Path(os.fsdecode(told["workdir"])),
            env=ground.variables,
            reads=ground.reads,
            data=tuple(
                Mount(Path(os.fsdecode(path)), partial(self._fill, number), is_file, size_bytes)
                for number, (path, is_file, size_bytes) in enumerate(told["mounts"], own)
            ),
            devices=gpus.nodes(ground.lent.gpus),
            restored=partial(restoring.write, ground.tree),
            prepared=partial(self._fill, 0, mode=0o644) if own else None,
            required=FenceLevel(told["required"]),
            signals=self._signals,
            cpus=ground.lent.cpus,
            scratch_bytes=min(told["room"], memory_bytes() // 2),
            memory_limit_bytes=told["memory"],
            door=None if door is None else Door(door[0], door[1], self._knocked),
        )

    def _meter(self, over: threading.Event) -> None:
        meters = Meters(Path("/"))
        meters.sample()  # from here on the use of the processors is counted
        while not over.wait(EVERY_S):
            self._carrier.tell({"do": "metered", "found": dict(meters.sample())})

    def _said(self, stream: int, content: bytes) -> None:
        self._carrier.send(JOB, {"do": "said", "stream": stream, "content": content})

    def _fill(self, number: int, folder: int, mode: int = 0o444) -> None:
        self._carrier.tell({"do": "fill", "mount": number})
        Files(self._coming, mode)(folder)

    def _coming(self) -> Iterator[File]:
        while (told := self._came.get())["do"] == "file":
            yield File(os.fsdecode(told["path"]), self._content(told), told["mtime"])

    def _content(self, told: Mapping[str, Any]) -> Iterator[bytes]:
        while True:
            yield told["content"]
            self._carrier.took(JOB, told)
            if not told["more"]:
                return
            told = self._came.get()

    def _rested(self, found: Iterable[Checkpoint]) -> None:
        """Sends what is whole; a signal for the job does not wait for it."""
        self._carrier.tell({"do": "checkpoints"})
        for one in found:
            path = os.fsencode(one.path)
            self._carrier.tell({"do": "checkpoint", "path": path, "size": one.size_bytes})
            self._carrier.tell({"do": "rested", "whole": self._sent(one)})
        self._carrier.tell({"do": "looked"})
        self._signalled.clear()

    def _sent(self, one: Checkpoint) -> bool:
        with suppress(Torn):
            for content, _ in pieces(one.chunks):
                if self._signalled.is_set():
                    return False
                told = {"do": "content", "content": content, "more": True}
                self._carrier.send(JOB, told)
            return True
        return False

    def _capture(self, watched: Checkpoints | None, changes: Captured) -> None:
        if watched is not None:
            watched.release()
        self._carrier.tell({"do": "changes"})
        for change in changes:
            self._bring(change)
        out = [(os.fsencode(one.path), one.why) for one in changes.left_out[:_MOST_LEFT]]
        self._carrier.send(JOB, {"do": "left", "out": out})

    def _bring(self, change: Change) -> None:
        head = {
            "do": "change",
            "kind": str(change.kind),
            "link": None if change.link is None else os.fsencode(change.link),
            "mode": change.mode,
            "path": os.fsencode(change.path),
            "size": change.size_bytes,
        }
        if change.kind is ChangeKind.REMOVED or change.link is not None:
            self._carrier.send(JOB, {**head, "content": b"", "more": False})
            return
        with change.open() as stream:
            for content, more in pieces(iter(partial(stream.read, PIECE), b"")):
                self._carrier.send(JOB, {**head, "content": content, "more": more})
                head = {"do": "content"}

    def _knocked(self, listener: int) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: int) -> None:
        number = 0
        with socket.socket(fileno=listener) as door, suppress(OSError):
            while True:
                connection, _ = door.accept()
                number += 1
                while self._streams.count >= MOST:
                    time.sleep(_LOOKS_S)
                knock = {"do": "knock", "stream": number}
                self._streams.begin(number, connection, knock)


def _watched(told: Mapping[str, Any]) -> Checkpoints | None:
    if told["watched"] is None:
        return None
    return Checkpoints([*map(os.fsdecode, told["watched"])], told["every_s"])


def _write(tree: Tree, folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        restoring.write(tree, descriptor)
    finally:
        os.close(descriptor)


def memory_bytes() -> int:
    """Of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

"""The worker: reads messages, plans, calls tasks; one process of it serves one pipeline."""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from cloister.core.errors import CloisterError
from cloister.pipelines.inside.calling import call
from cloister.pipelines.inside.children import Child, adopt_orphans, end_orphans
from cloister.pipelines.inside.frames import Frames, pack, write_all
from cloister.pipelines.inside.loading import Loaded, load

_CHUNK = 1 << 18


class Worker:
    """Serves until its input ends; then ends what is under way."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._frames = Frames()
        self._loaded: Loaded | None = None
        self._children: dict[int, tuple[int, Child]] = {}
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._slots = 1
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Reads and answers."""
        adopt_orphans()
        self._selector.register(self._source, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select(self._patience_s()):
                if key.fd == self._source:
                    data = os.read(self._source, _CHUNK)
                    if not data:
                        self._end()
                        return
                    for message in self._frames.feed(data):
                        self._heed(message)
                else:
                    self._ended(key.fd)
            self._expire()

    def _heed(self, message: Mapping[str, Any]) -> None:
        if message["do"] == "plan":
            self._say(self._plan(message))
        elif message["do"] == "cancel":
            self._cancel(message["id"])
        else:
            self._start(message)

    def _cancel(self, wanted: int) -> None:
        for number, child in self._children.values():
            if number == wanted:
                child.expire()
        kept = [one for one in self._waiting if one["id"] != wanted]
        if len(kept) < len(self._waiting):
            self._waiting = deque(kept)
            self._say({"do": "done", "id": wanted, "ok": False, "error": "cancelled"})

    def _plan(self, message: Mapping[str, Any]) -> dict[str, Any]:
        self._slots = message["slots"]
        try:
            self._loaded = load(message["file"], message["name"], message["chosen"])
        except CloisterError as error:
            return {"do": "plan", "error": error.message, "hint": error.hint}
        return {"do": "plan", "plan": self._loaded.plan}

    def _start(self, message: Mapping[str, Any]) -> None:
        assert self._loaded is not None
        task = self._loaded.tasks[message["task"]]
        if not message["fork"]:
            answer = call(task, message, with_files=True)
            self._say({"do": "done", "id": message["id"], "log": b"", **answer})
            return
        if len(self._children) >= self._slots:
            self._waiting.append(message)
            return
        child = Child.start(task, message, own_log=True, with_files=True)
        self._children[child.watch] = (message["id"], child)
        self._selector.register(child.watch, selectors.EVENT_READ)

    def _ended(self, watch: int) -> None:
        self._selector.unregister(watch)
        number, child = self._children.pop(watch)
        answer = child.finish()
        end_orphans(self._is_call)
        self._say({"do": "done", "id": number, **answer})
        if self._waiting:
            self._start(self._waiting.popleft())

    def _is_call(self, pid: int) -> bool:
        return any(child.pid == pid for _, child in self._children.values())

    def _patience_s(self) -> float | None:
        deadlines = [c.deadline_s for _, c in self._children.values() if c.deadline_s]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _expire(self) -> None:
        now = time.monotonic()
        for _, child in self._children.values():
            if child.deadline_s is not None and child.deadline_s <= now:
                child.expire()

    def _end(self) -> None:
        for _, child in self._children.values():
            child.expire()

    def _say(self, message: Mapping[str, Any]) -> None:
        write_all(self._sink, pack(dict(message)))

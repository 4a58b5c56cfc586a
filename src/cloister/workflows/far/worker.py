"""The warm worker: one process in a fence that reads the file, and forks for every call."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cloister import fence
from cloister.core.errors import BadInput, CloisterError
from cloister.core.values import FenceReport
from cloister.fence import FenceSpec
from cloister.pipelines.executor import Call, Ended, answer, message
from cloister.pipelines.inside.frames import Frames, pack, write_all

_PATIENCE_S = 120.0
LONGEST_LOG = 4 << 20


class Spoken:
    """What executors share whose worker is told in messages: calls go out, answers come in.

    Once ``_over`` is set no message follows, and what is open is lost.
    """

    def __init__(self, slots: int, bell: threading.Event | None) -> None:
        self.log = bytearray()
        self.report: FenceReport | None = None
        self._slots = slots
        self.bell = bell or threading.Event()
        """Rung at everything that the worker says."""
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._open: set[int] = set()
        self._failure: CloisterError | None = None
        self._over = False

    @property
    def slots(self) -> int:
        """How many calls run at a time."""
        return self._slots

    @property
    def over(self) -> bool:
        """Whether the worker is gone, and all that it said was heard."""
        return self._over and self._said.empty()

    def say(self, told: Mapping[str, Any]) -> None:
        """Sends a message; to a worker that is gone, nothing."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends the worker, and the fence with it."""
        raise NotImplementedError

    def plan(self, file: str, name: str | None, chosen: Mapping[str, str]) -> bytes:
        """What the file defines, as it says itself: to be parsed, not believed.

        Raises BadInput with what is wrong with it, FenceUnavailable.
        """
        told = {"do": "plan", "file": file, "name": name, "chosen": dict(chosen)}
        self.say(told | {"slots": self._slots})
        said = self.hear(_PATIENCE_S)
        if said is None:
            log = bytes(self.log).decode(errors="replace").strip().splitlines()
            raise self._failure or BadInput(
                "the pipeline's file was not read to its end", hint=log[-1] if log else None
            )
        if "error" in said:
            hint = said.get("hint")
            raise BadInput(str(said["error"]), hint=None if hint is None else str(hint))
        packed = said.get("plan")
        if not isinstance(packed, bytes):
            raise BadInput("the pipeline's file gave no plan")
        return packed

    def submit(self, call: Call) -> None:
        """Sends it; more than ``slots`` wait inside."""
        self._open.add(call.number)
        self.say(message(call, fork=True))

    def poll(self, patience_s: float) -> list[Ended]:
        """What ended; everything that is open, as lost, once the fence is gone."""
        ended: list[Ended] = []
        said = self.hear(patience_s if self._open else 0)  # its end is heard with none open
        while said is not None:
            self._take(said, ended)
            said = self.hear(0)
        if self.over:
            ended += [Ended(number, ok=False, error="lost") for number in sorted(self._open)]
            self._open.clear()
        return ended

    def cancel(self, number: int) -> None:
        """Kills it."""
        if number in self._open:
            self.say({"do": "cancel", "id": number})

    def hear(self, patience_s: float) -> dict[str, Any] | None:
        """The next message; None where none came in time, or none will."""
        try:
            return self._said.get(timeout=patience_s) if patience_s else self._said.get_nowait()
        except queue.Empty:
            return None

    def _heard(self, said: dict[str, Any] | None) -> None:
        self._said.put(said)
        self.bell.set()

    def _take(self, said: Mapping[str, Any], ended: list[Ended]) -> None:
        """An answer to a call that is open; anything else is of a worker gone wrong."""
        with suppress(ValueError, TypeError):
            found = answer(said)
            if found.number in self._open:
                self._open.discard(found.number)
                ended.append(found)


class Fenced(Spoken):
    """The executor ``local:``: calls in a fence without data, network, store or keys.

    The fence is one for all calls of a pipeline; each is a process of its own, which gets its
    values and no other's, and leaves no process behind. What calls write to the working folder
    is seen by the calls after them, and gone at the end.
    """

    def __init__(
        self, spec: FenceSpec, slots: int, bell: threading.Event | None = None
    ) -> None:
        super().__init__(slots, bell)
        self._frames = Frames()
        self._reader, self._writer = os.pipe()
        self._spec = replace(spec, stdin=self._reader)
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the worker, and the fence with it."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
        self._thread.join(self._spec.grace_s)

    def say(self, told: Mapping[str, Any]) -> None:
        """Writes it to the worker's input."""
        with suppress(BrokenPipeError):  # its end is heard next
            write_all(self._writer, pack(dict(told)))

    def _run(self) -> None:
        try:
            self.report = fence.run(self._spec, on_output=self._came, on_error=self._logged)
        except CloisterError as error:
            self._failure = error
        finally:
            self._over = True
            os.close(self._reader)
            self._heard(None)

    def _came(self, chunk: bytes) -> None:
        try:
            for one in self._frames.feed(chunk):
                if isinstance(one, dict):
                    self._heard(one)
        except ValueError:
            self._frames = Frames()  # noise on the line is nobody's answer

    def _logged(self, chunk: bytes) -> None:
        if len(self.log) < LONGEST_LOG:
            self.log += chunk

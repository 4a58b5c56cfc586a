"""A worker on another machine, as an executor here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cloister.core.canonical import canonical
from cloister.core.errors import FenceUnavailable
from cloister.core.values import FenceLevel
from cloister.runs.history import fence_report
from cloister.workflows.far.connection import Connection
from cloister.workflows.far.sealed import Line
from cloister.workflows.far.worker import LONGEST_LOG, Spoken

_LAST_S = 15.0


@dataclass(frozen=True, slots=True)
class Opening:
    """What a worker on another machine gets to make its fence from."""

    archive: bytes
    """The code, as captured: the working folder there holds it and nothing else."""
    workdir: bytes
    variables: Mapping[str, str]
    required: FenceLevel


class Far(Spoken):
    """The executors ``ssh:`` and ``ray:``: a fence on another machine, behind a sealed line.

    What the worker was at when the connection ends is reported as lost. Used by one thread.
    """

    def __init__(self, connection: Connection, bell: threading.Event) -> None:
        super().__init__(connection.host.slots, bell)
        self.host = connection.host
        self._connection = connection
        self._reported = threading.Event()
        self._opened = self._closed = False

    @classmethod
    def reach(cls, line: Line, slots: int, bell: threading.Event) -> Self:
        """See `Connection.greet`."""
        return cls(Connection.greet(line, slots), bell)

    def open(self, opening: Opening) -> None:
        """Has the fence made there; whether the host can, ``plan`` says."""
        self._opened = True
        threading.Thread(target=self._listen, name="far", daemon=True).start()
        self.say(
            {
                "do": "open",
                "archive": opening.archive,
                "required": str(opening.required),
                "slots": self._slots,
                "variables": dict(opening.variables),
                "workdir": opening.workdir,
            }
        )

    def say(self, told: Mapping[str, Any]) -> None:
        """Seals it and sends it."""
        self._connection.say(told)

    def close(self) -> None:
        """Ends the worker and its fence; waits a little for what the fence has to report."""
        if self._closed:
            return
        self._closed = True
        if self._opened and not self._reported.is_set():
            self.say({"do": "end"})
            self._reported.wait(_LAST_S)
        self._connection.close()

    def _listen(self) -> None:
        try:
            self._connection.listen(self._take_in)
        finally:
            self._reported.set()
            self._end()

    def _take_in(self, said: Mapping[str, Any]) -> None:
        if said["do"] == "log":
            self.log += said["log"][: LONGEST_LOG - len(self.log)]
        elif said["do"] == "report":
            if said["report"] is not None:
                self.report = fence_report(canonical(said["report"]).decode())
            self._reported.set()
        elif said["do"] == "over":
            self._end()
        elif said["do"] == "plan" and said.get("kind") == FenceUnavailable.__name__:
            text = f"{self.host.where}: {said['error']}"
            self._failure = FenceUnavailable(text, hint=str(said["hint"]))
            self._heard(None)
        elif said["do"] in {"plan", "done"}:
            self._heard(dict(said))

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._heard(None)

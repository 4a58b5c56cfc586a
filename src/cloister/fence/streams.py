"""The three standard descriptors of a job: anonymous pipes, or a terminal of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cloister.fence.pump import Drain, Feed, Pump
from cloister.fence.spec import FenceSpec

Deliver = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Who gets what the job writes, as it comes."""

    output: Deliver
    error: Deliver


class Streams:
    """Our ends and the job's. No descriptor of the host itself ever reaches a job."""

    def __init__(self, pump: Pump, outputs: Outputs) -> None:
        self._pump = pump
        self._outputs = outputs
        self.job_ends: list[int] = []
        self._ours: list[int] = []
        self._drains: list[Drain] = []
        self._feeds: list[Feed] = []
        self._input: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._release_job_ends()
        if self._input is not None and not self._feeds:
            os.close(self._input[1])  # the job never began
        for feed in self._feeds:
            feed.close()
        while self._ours:
            os.close(self._ours.pop())

    def open(self, spec: FenceSpec) -> None:
        """What the job starts with; nothing is read or written before ``begin``."""
        if spec.tty:  # placeholders: its terminal is made inside
            self.job_ends = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
        else:
            self._open_pipes(spec.stdin)

    def _open_pipes(self, source: int | None) -> None:
        """Separate output and error; input copied from ``source``, or empty."""
        reader, writer = os.pipe()
        self.job_ends.append(reader)
        if source is None:
            os.close(writer)
        else:
            self._input = (source, writer)
        for _ in range(2):
            reader, writer = os.pipe()
            self.job_ends.append(writer)
            self._ours.append(reader)

    def begin(self) -> None:
        """The job runs: it alone holds its ends from here on, so their end is its end."""
        self._release_job_ends()
        delivers = (self._outputs.output, self._outputs.error)
        for reader, deliver in zip(self._ours, delivers, strict=False):  # none at a terminal
            self._drains.append(Drain(self._pump, reader, deliver))
        if self._input is not None:
            self._feeds.append(Feed(self._pump, *self._input))

    def join_terminal(self, ours: int, source: int, typed: Deliver) -> None:
        """The other side of the job's terminal, fed from the user's."""
        self._drains.append(Drain(self._pump, ours, self._outputs.output))
        self._feeds.append(Feed(self._pump, source, os.dup(ours), typed))

    def drain(self) -> None:
        """Reads on until every output has ended."""
        self._release_job_ends()
        while not all(drain.ended for drain in self._drains):
            self._pump.turn()

    def _release_job_ends(self) -> None:
        while self.job_ends:
            os.close(self.job_ends.pop())

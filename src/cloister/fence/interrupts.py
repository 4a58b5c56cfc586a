"""Signals to the runner while a job runs, as bytes in a pipe that a poll loop can read."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Self

ON_RECORD = signal.SIGURG
"""Asks a job to end unless somebody has asked; where no job runs, a process never notices."""
_WATCHED = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH, ON_RECORD,
)  # fmt: skip


class Interrupts:
    """Catches signals from ``begin`` on, and at its exit restores whatever was there.

    Only a process's main thread receives them; in any other thread this does nothing. Those
    of another machine come from ``source``, and then from there alone.
    """

    def __init__(self, source: int | None = None) -> None:
        self._passed_on = source is not None
        self.reader, self._writer = os.pipe() if source is None else (os.dup(source), -1)
        self._before: dict[signal.Signals, object] = {}
        self._wakeup = -1

    def __enter__(self) -> Self:
        os.set_blocking(self.reader, False)
        if not self._passed_on:
            os.set_blocking(self._writer, False)
        return self

    def begin(self) -> None:
        """A job runs: signals are for it. Until then they end this process as usual."""
        if self._passed_on or self._before:
            return
        if threading.current_thread() is threading.main_thread():
            self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            for number in _WATCHED:
                self._before[number] = signal.signal(number, _ignore)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if self._before:
            signal.set_wakeup_fd(self._wakeup)
        os.close(self.reader)
        if not self._passed_on:
            os.close(self._writer)

    def taken(self) -> list[int]:
        """Numbers of the signals that came since the last call."""
        try:
            return list(os.read(self.reader, 64))
        except BlockingIOError:
            return []


def _ignore(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor carries the number; nothing else is to be done here."""

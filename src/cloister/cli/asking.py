"""A command that ends when whoever asked for it is gone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_by_asker(*, watched: bool) -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does; ``watched``: so does the end of standard input.

    A pipe ends with the process that holds its other end, however that ends: who asked need not
    be able to say a word. Nothing else reads standard input meanwhile.
    """
    before = signal.signal(signal.SIGTERM, _stopped)
    if watched:
        asker = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        threading.Thread(target=_watch, args=(asker,), name="asker", daemon=True).start()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(asker: int) -> None:
    while os.read(asker, 4096):
        pass  # whatever is said means nothing
    os.kill(os.getpid(), signal.SIGTERM)


def _stopped(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: what follows is not to be cut short
    raise KeyboardInterrupt

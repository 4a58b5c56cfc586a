"""At most so many of something at a time, in all of the lab: places that go with a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from cloister.core.errors import Conflict
from cloister.workflows.lab import Lab

_LOOKS_S = 0.2


def place(lab: Lab, name: str, places: int) -> ExitStack | None:
    """One of the places, until it is closed or the process ends; None where none is free."""
    for number in range(places):
        held = ExitStack()
        try:
            held.enter_context(lab.alone(f"{name}-{number}"))
        except Conflict:
            continue
        return held
    return None


@contextmanager
def active(
    lab: Lab, pipeline: str, most: int | None, waits: Callable[[], None]
) -> Iterator[None]:
    """One of the runs that ``pipeline`` may have at a time, while the block lasts.

    Where there are as many already, ``waits`` is called once, and it waits until one is over.
    """
    if most is None:
        yield
        return
    name = f"active-{pipeline}"
    held = place(lab, name, most)
    if held is None:
        waits()
    while held is None:
        time.sleep(_LOOKS_S)
        held = place(lab, name, most)
    with held:
        yield

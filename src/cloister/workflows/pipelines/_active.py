"""At most so many of something at a time, in all of the lab: places that go with a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from cloister.core.errors import Conflict
from cloister.core.ids import FlowId
from cloister.pipelines import history as flows
from cloister.pipelines.job import Job
from cloister.workflows.lab import Act, Lab
from cloister.workflows.leases.holding import orphaned
from cloister.workflows.pipelines._ending import close

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


@dataclass(slots=True)
class Pools:
    """Places in pools that all pipelines of a lab share; the kernel frees those of the dead."""

    lab: Lab
    _held: dict[Job, ExitStack] = field(default_factory=dict)

    def enter(self, job: Job, pool: str | None) -> bool:
        """Takes a place of ``name:places``, if one is free; no pool has room for all."""
        if pool is None:
            return True
        name, _, places = pool.partition(":")
        held = place(self.lab, f"pool-{name}", int(places or 1))
        if held is not None:
            self._held[job] = held
        return held is not None

    def leave(self, job: Job) -> None:
        """Gives the place back."""
        held = self._held.pop(job, None)
        if held is not None:
            held.close()


@contextmanager
def active(
    act: Act,
    flow: FlowId,
    pipeline: str,
    most: int | None,
    waits: Callable[[], None],
    heed: Callable[[], None],
) -> Iterator[None]:
    """One of the runs that ``pipeline`` may have at a time, while the block lasts.

    Where there are as many already, ``waits`` puts on record that ``flow`` waits, and it does
    until its turn comes: first come, first served. ``heed`` raises once it is not wanted any
    more; then its end is on record.
    """
    if most is None:
        yield
        return
    held = _turn(act.lab, flow, pipeline, most)
    if held is None:
        waits()
        try:
            while held is None:
                time.sleep(_LOOKS_S)
                heed()
                held = _turn(act.lab, flow, pipeline, most)
        except BaseException:
            close(act, flow)
            raise
    with held:
        yield


def _turn(lab: Lab, flow: FlowId, pipeline: str, most: int) -> ExitStack | None:
    """Its place, where one is free and nobody came before it who still waits for one."""
    for one in lab.read(lambda tx: flows.line(tx, pipeline)):
        if one.flow == flow:
            break
        with orphaned(lab, one.flow) as gone:  # its process was killed: its turn is nobody's
            if not gone:
                return None
    return place(lab, f"active-{pipeline}", most)

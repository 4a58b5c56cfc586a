"""Runs one job behind the strongest fence this host gives, and says what that was."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass

from cloister.core.errors import FenceUnavailable
from cloister.core.values import FenceLevel, FenceReport
from cloister.fence.attempt import Attempt
from cloister.fence.cache import Cache
from cloister.fence.changes import Changes
from cloister.fence.ended import Ended
from cloister.fence.interrupts import Interrupts
from cloister.fence.job import fenced_plan, walled_plan
from cloister.fence.launch import start_warden
from cloister.fence.pump import Pump
from cloister.fence.remedies import Remedy, explain
from cloister.fence.spec import FenceSpec
from cloister.fence.streams import Deliver, Outputs, Streams
from cloister.fence.syscalls import this_architecture
from cloister.fence.view import View, view_of
from cloister.fence.walls import ALL_WALLS, Wall, WallRefused, level_of, satisfies

_WEAKER = {
    FenceLevel.PARTIAL: "fence PARTIAL: a wall is missing; what is left refuses the network",
    FenceLevel.NONE: "fence NONE: this job could read and send whatever its user can",
}

Capture = Callable[[Changes], None]


@dataclass(frozen=True, slots=True)
class Done:
    """One job that ran to its end."""

    ended: Ended
    notes: Sequence[str]
    setup_s: float
    wall_s: float
    counted: bool


def run(
    spec: FenceSpec,
    *,
    on_output: Deliver,
    on_error: Deliver | None = None,
    capture: Capture | None = None,
) -> FenceReport:
    """Runs the job to its end; gives what it did and what was refused.

    ``on_output`` and ``on_error`` get bytes as they come (with ``tty`` all goes to the
    first); ``capture`` gets the changed files before they vanish. While it runs, SIGINT,
    SIGTERM and SIGHUP to this process are passed to the job, a second one kills it.
    When it returns or raises, nothing of the job is left, in processes or in memory.
    Raises FenceUnavailable where the host gives less than ``spec.required``; what ``fill``,
    ``capture`` or an output callback raises comes through.
    """
    outputs = Outputs(on_output, on_error or on_output)
    return run_and_explain(spec, outputs, capture)[0]


def run_and_explain(
    spec: FenceSpec, outputs: Outputs, capture: Capture | None
) -> tuple[FenceReport, tuple[Remedy, ...]]:
    """As ``run``; also why the fence was not FULL and what to do, one by one."""
    view = view_of(spec)
    walls: AbstractSet[Wall] = ALL_WALLS
    remedies: list[Remedy] = []
    while True:
        _require(spec, walls, remedies)
        try:
            done = _attempt(spec, view, walls, outputs, capture)
        except WallRefused as refused:
            remedies.append(explain(refused))
            walls = walls - {refused.wall}
        else:
            return _report(level_of(walls), done, remedies), tuple(remedies)


def _require(spec: FenceSpec, walls: AbstractSet[Wall], remedies: Sequence[Remedy]) -> None:
    level = level_of(walls)
    if not satisfies(level, spec.required):
        reasons = ". ".join(remedy.reason for remedy in remedies)
        raise FenceUnavailable(
            f"this host gives a fence of level {level}, {spec.required} is required: {reasons}",
            hint="; or ".join(remedy.fix for remedy in remedies),
        )


def _attempt(
    spec: FenceSpec,
    view: View,
    walls: AbstractSet[Wall],
    outputs: Outputs,
    capture: Capture | None,
) -> Done:
    with ExitStack() as stack:
        pump = stack.enter_context(Pump())
        streams = stack.enter_context(Streams(pump, outputs))
        if spec.tty:
            streams.open_nothing()
        else:
            streams.open_pipes(spec.stdin)
        interrupts = stack.enter_context(Interrupts())
        warden = stack.enter_context(start_warden(streams.job_ends))
        attempt = stack.enter_context(Attempt(spec, view, streams, interrupts, warden, pump))
        if Wall.NAMESPACES in walls:
            plan = fenced_plan(spec, view, walls, this_architecture())
        else:
            cache = stack.enter_context(Cache.create(view))
            cache.fill(view)
            attempt.works_in(cache.place(view.workdir))
            plan = walled_plan(spec, view, cache, walls, this_architecture())
        ended = attempt.follow(plan)
        notes = _capture(view, attempt, ended, capture)
        return Done(ended, notes, attempt.setup_s, attempt.wall_s, attempt.counted)


def _capture(view: View, attempt: Attempt, ended: Ended, capture: Capture | None) -> list[str]:
    if capture is None or attempt.changes < 0:
        return []
    original = os.open(view.workdir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        changes = Changes(
            attempt.changes,
            original,
            view.mount_points(),
            complete=attempt.copied,
            largest=ended.scratch_bytes or sys.maxsize,
        )
        capture(changes)
    finally:
        os.close(original)
    return changes.notes


def _report(level: FenceLevel, done: Done, remedies: Sequence[Remedy]) -> FenceReport:
    ended, notes = done.ended, [str(remedy) for remedy in remedies]
    if level is not FenceLevel.FULL:
        notes.insert(0, _WEAKER[level])
    if not done.counted:
        notes.append("refused system calls were not counted: another filter listens already")
    if ended.complaint:
        notes.append(f"the fence broke and ended the job: {ended.complaint}")
    if ended.was_full:
        notes.append("the space for what a job writes was full (ENOSPC): give it more")
    return FenceReport(
        level=level,
        exit_status=ended.exit_status,
        network_attempts=ended.network_attempts + ended.refused_sockets,
        refused_syscalls=ended.refused,
        setup_ms=round(done.setup_s * 1000),
        wall_ms=round(done.wall_s * 1000),
        peak_memory_bytes=ended.peak_memory_bytes,
        notes=(*notes, *done.notes),
    )

"""Runs one job behind the strongest fence this host gives, and says what that was."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass, replace

from cloister.core.errors import FenceUnavailable
from cloister.core.values import FenceReport
from cloister.fence.attempt import Attempt
from cloister.fence.cache import Cache
from cloister.fence.changes import Changes
from cloister.fence.ended import Ended
from cloister.fence.interrupts import Interrupts
from cloister.fence.job import fenced_plan, walled_plan
from cloister.fence.launch import start_warden
from cloister.fence.memory import MemoryGroup
from cloister.fence.processors import ProcessorGroup
from cloister.fence.pump import Pump
from cloister.fence.remedies import Remedy, explain
from cloister.fence.reporting import Done, report_of
from cloister.fence.spec import FenceSpec, Watch
from cloister.fence.streams import Deliver, Outputs, Streams
from cloister.fence.swap import unencrypted_swap
from cloister.fence.syscalls import this_architecture
from cloister.fence.view import View, view_of
from cloister.fence.walls import ALL_WALLS, Wall, WallRefused, level_of, satisfies

Capture = Callable[[Changes], None]


def run(
    spec: FenceSpec,
    *,
    on_output: Deliver,
    on_error: Deliver | None = None,
    capture: Capture | None = None,
    watch: Watch | None = None,
) -> FenceReport:
    """Runs the job to its end; gives what it did and what was refused.

    ``on_output`` and ``on_error`` get bytes as they come (with ``tty`` all goes to the
    first); ``capture`` gets the changed files before they vanish, ``watch`` sees them now and
    then while the job writes them. While it runs, SIGINT, SIGTERM and SIGHUP to this process
    are passed to the job, a second one kills it.
    When it returns or raises, nothing of the job is left, in processes or in memory.
    Raises FenceUnavailable where the host gives less than ``spec.required``, BadInput or
    NotFound for what cannot be shown, NoSpace when data does not fit; what ``fill``,
    ``capture`` or an output callback raises comes through.
    """
    outputs = Outputs(on_output, on_error or on_output)
    return run_and_explain(spec, outputs, capture, watch)[0]


def shell(spec: FenceSpec, *, capture: Capture | None = None) -> FenceReport:
    """As ``run``, for a person: the job gets a terminal joined to this process's own."""
    return run(replace(spec, tty=True), on_output=_to_terminal, capture=capture)


def _to_terminal(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def run_and_explain(
    spec: FenceSpec, outputs: Outputs, capture: Capture | None, watch: Watch | None = None
) -> tuple[FenceReport, tuple[Remedy, ...]]:
    """As ``run``; also why the fence was not FULL and what to do, one by one."""
    job = _Job(spec, view_of(spec), outputs, capture, watch)
    walls: AbstractSet[Wall] = ALL_WALLS
    remedies: list[Remedy] = []
    if this_architecture() is None:
        walls, remedies = walls - {Wall.SECCOMP}, [_unknown_architecture()]
    while True:
        _require(spec, walls, remedies)
        try:
            done = _attempt(job, walls)
        except WallRefused as refused:
            remedies.append(explain(refused))
            walls = walls - {refused.wall}
        else:
            break
    swap = unencrypted_swap()
    found = [*remedies, swap] if swap is not None else remedies
    return report_of(level_of(walls), done, found), tuple(remedies)


@dataclass(frozen=True, slots=True)
class _Job:
    spec: FenceSpec
    view: View
    outputs: Outputs
    capture: Capture | None
    watch: Watch | None


def _unknown_architecture() -> Remedy:
    machine = os.uname().machine
    return Remedy(f"no system call table for {machine}", "use x86_64 or aarch64")


def _require(spec: FenceSpec, walls: AbstractSet[Wall], remedies: Sequence[Remedy]) -> None:
    level = level_of(walls)
    if not satisfies(level, spec.required):
        reasons = ". ".join(remedy.reason for remedy in remedies)
        raise FenceUnavailable(
            f"this host gives a fence of level {level}, {spec.required} is required: {reasons}",
            hint="; or ".join(remedy.fix for remedy in remedies),
        )


def _attempt(job: _Job, walls: AbstractSet[Wall]) -> Done:
    """Runs the job behind these walls; what is entered last goes first, the job before all."""
    spec, view = job.spec, job.view
    with ExitStack() as stack:
        pump = stack.enter_context(Pump())
        streams = stack.enter_context(Streams(pump, job.outputs))
        streams.open(spec)
        group = _memory_group(spec, stack)
        processors = _processor_group(spec, group, stack)
        cache = None
        if Wall.NAMESPACES not in walls:
            cache = stack.enter_context(Cache.create(view))
            cache.fill(view)
        interrupts = stack.enter_context(Interrupts(spec.signals))
        warden = stack.enter_context(start_warden(streams.job_ends))
        attempt = stack.enter_context(Attempt(spec, view, streams, interrupts, warden, pump))
        attempt.watch = job.watch
        attempt.slowed = processors is not None
        if group is not None:
            group.admit(warden.process.pid)
        if processors is not None:
            processors.admit(warden.process.pid)
        plan = _plan(job, walls, cache, bounded=group is not None)
        if cache is not None:
            attempt.works_in(cache.place(view.workdir), cache.original(view))
        ended = attempt.follow(plan)
        notes = _capture(job, attempt, ended)
        return Done.of(attempt, ended, group, notes)


def _memory_group(spec: FenceSpec, stack: ExitStack) -> MemoryGroup | None:
    if spec.memory_limit_bytes is None:
        return None
    group = MemoryGroup.create(spec.memory_limit_bytes)
    return stack.enter_context(group) if group is not None else None


def _processor_group(
    spec: FenceSpec, group: MemoryGroup | None, stack: ExitStack
) -> ProcessorGroup | None:
    if not spec.cpus:
        return None
    made = ProcessorGroup.create(len(spec.cpus), group)
    return stack.enter_context(made) if made is not None else None


def _plan(job: _Job, walls: AbstractSet[Wall], cache: Cache | None, *, bounded: bool) -> bytes:
    each = None if bounded else job.spec.memory_limit_bytes
    if cache is None:
        return fenced_plan(job.spec, job.view, walls, each_process_bytes=each)
    return walled_plan(job.spec, job.view, cache, walls, each_process_bytes=each)


def _capture(job: _Job, attempt: Attempt, ended: Ended) -> list[str]:
    if job.capture is None or attempt.changes < 0:
        return []
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    seen = attempt.original >= 0
    original = os.dup(attempt.original) if seen else os.open(job.view.workdir, flags)
    try:
        changes = Changes(
            attempt.changes,
            original,
            job.view.mount_points(),
            complete=attempt.copied,
            largest=ended.scratch_bytes or sys.maxsize,
        )
        job.capture(changes)
    finally:
        os.close(original)
    return changes.notes()

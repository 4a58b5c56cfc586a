"""From what was seen to core's FenceReport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cloister.core.values import FenceLevel, FenceReport
from cloister.fence.attempt import Attempt
from cloister.fence.ended import Ended
from cloister.fence.memory import MemoryGroup
from cloister.fence.remedies import Remedy

_WEAKER = {
    FenceLevel.PARTIAL: "fence PARTIAL: one wall is missing, the others refuse the network",
    FenceLevel.NONE: "fence NONE: this job could read and send whatever its user can",
}


@dataclass(frozen=True, slots=True)
class Done:
    """One job that ran to its end."""

    ended: Ended
    notes: Sequence[str]
    setup_s: float
    wall_s: float
    peak_memory_bytes: int

    @classmethod
    def of(
        cls, attempt: Attempt, ended: Ended, group: MemoryGroup | None, notes: Sequence[str]
    ) -> Self:
        """What is worth telling, read while the job's traces are still there."""
        notes = [*_findings(attempt, ended, group), *notes]
        peak = group.peak_bytes if group is not None else 0
        peak = max(peak, ended.peak_memory_bytes)
        return cls(ended, notes, attempt.setup_s, attempt.wall_s, peak)


def report_of(level: FenceLevel, done: Done, remedies: Sequence[Remedy]) -> FenceReport:
    """The report; its notes begin with what weakens the fence."""
    weaker = [] if level is FenceLevel.FULL else [_WEAKER[level]]
    return FenceReport(
        level=level,
        exit_status=done.ended.exit_status,
        network_attempts=done.ended.network_attempts + done.ended.refused_sockets,
        refused_syscalls=done.ended.refused,
        setup_ms=round(done.setup_s * 1000),
        wall_ms=round(done.wall_s * 1000),
        peak_memory_bytes=done.peak_memory_bytes,
        notes=(*weaker, *map(str, remedies), *done.notes),
    )


def _findings(attempt: Attempt, ended: Ended, group: MemoryGroup | None) -> list[str]:
    limited = attempt.spec.memory_limit_bytes is not None
    kind = ended.complaint.partition(":")[0]  # what follows may name a path
    found = {
        "refused system calls were not counted: another filter listens already": (
            not attempt.counted
        ),
        "no tracking from inside: the job has no network of its own, so no door in it": (
            attempt.spec.door is not None and not attempt.has_door
        ),
        f"the fence broke and ended the job: {kind}": bool(kind),
        "the space for what a job writes was full (ENOSPC): give it more": ended.was_full,
        "the working folder was copied: this host refuses an overlay": attempt.copied,
        "this kernel is older than 6.6: in the working folder a folder cannot be removed and"
        " made again": attempt.limited,
        "the memory limit holds for each process alone: no control group may be made here": (
            limited and group is None
        ),
        "held to its processors by their numbers alone, which a job can change: no control"
        " group may be made here": bool(attempt.spec.cpus) and not attempt.slowed,
        "the job reached its memory limit, and the kernel killed part of it": (
            group is not None and group.was_exhausted
        ),
    }
    return [note for note, applies in found.items() if applies]

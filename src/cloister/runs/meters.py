"""What the machine does while a job runs: processors, memory, disk, GPUs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cloister.runs.gpus import Gpus

PREFIX = "system/"
"""What these figures are called begins so; MLflow's interface shows them apart."""
EVERY_S = 10.0
"""How often the machine is looked at, as MLflow does."""
_MEGABYTE = 1_000_000
_IDLE = (3, 4)  # idle and iowait, of the first line of /proc/stat


class Sampled(Protocol):
    """A machine that can be looked at."""

    def sample(self) -> Mapping[str, float]:
        """Its figures now, by the names that MLflow gives them."""


@dataclass(slots=True)
class Meters:
    """Figures of the whole machine, by the names that MLflow gives them (Linux: proc(5))."""

    disk: Path
    """Whose file system is looked at."""
    gpus: Gpus = field(default_factory=Gpus.find)
    processes: Path = Path("/proc")
    _ticks: tuple[int, int] = (0, 0)

    def sample(self) -> Mapping[str, float]:
        """Now; the processors' use since the last time, or since the machine started."""
        return {**self._processors(), **self._memory(), **self._disk(), **self.gpus.sample()}

    def _processors(self) -> Mapping[str, float]:
        first = (self.processes / "stat").read_text().split("\n", 1)[0]
        ticks = [int(word) for word in first.split()[1:9]]
        busy, whole = sum(ticks) - sum(ticks[place] for place in _IDLE), sum(ticks)
        used, passed = busy - self._ticks[0], whole - self._ticks[1]
        self._ticks = busy, whole
        share = 100 * used / passed if passed > 0 else 0.0
        return {f"{PREFIX}cpu_utilization_percentage": max(0.0, share)}

    def _memory(self) -> Mapping[str, float]:
        lines = (self.processes / "meminfo").read_text().splitlines()
        kib = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
        total, used = kib["MemTotal"], kib["MemTotal"] - kib["MemAvailable"]
        return {
            f"{PREFIX}system_memory_usage_megabytes": used * 1024 / _MEGABYTE,
            f"{PREFIX}system_memory_usage_percentage": 100 * used / max(1, total),
        }

    def _disk(self) -> Mapping[str, float]:
        room = os.statvfs(self.disk)
        used = (room.f_blocks - room.f_bfree) * room.f_frsize
        free = room.f_bavail * room.f_frsize
        return {
            f"{PREFIX}disk_usage_percentage": 100 * used / max(1, used + free),
            f"{PREFIX}disk_usage_megabytes": used / _MEGABYTE,
            f"{PREFIX}disk_available_megabytes": free / _MEGABYTE,
        }

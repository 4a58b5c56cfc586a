"""What this machine has to lend."""

from __future__ import annotations

import os
from pathlib import Path

from cloister.jobs.asks import Box


def this_machine(gpus: tuple[int, ...], processes: Path = Path("/proc")) -> Box:
    """Processors this process may use, memory, and the GPUs that the driver lists."""
    for line in (processes / "meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            cpus = tuple(sorted(os.sched_getaffinity(0)))
            return Box(cpus, int(line.split()[1]) * 1024, gpus)
    raise AssertionError("proc(5): /proc/meminfo begins with MemTotal")

"""Pipelines of tasks that do nothing; `benchmarks.peers` measures the same of others.

    python -m benchmarks.pipelines [--quick] [--lab COUNT]

Measured, in one run: 10^2 to 10^5 tasks cold in warm processes without a fence
(`pipelines.here`: no record, no cache); as many in a lab, each in the fence, with its events,
keys and sealed value (cold), and once more with nothing changed; as many steps planned, with
the most memory that took; 50 tasks in a lab of which each waits for the one before, so that a
task's share is what lies between two of them. Wanted: 1,000 cold 0.5 s, in a lab 15 ms a
task, again 0.2 s, planned 5 s and 500 MB, less than 100 ms between two tasks.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.line import append
from benchmarks.shell import Shell, new_lab
from cloister.pipelines.here import Processes, run_plan

FLOW = """
import cloister as cl
@cl.task
def noop(i): return None
with cl.pipeline("many"):
    for i in range({count}): noop(i)
"""
CHAIN = """
import cloister as cl
@cl.task
def noop(i): return None
with cl.pipeline("chain"):
    last = noop(0)
    for i in range(1, {count}):
        last = noop(last) if i % 10 else noop(i)
"""
PLANNED = """
import resource, sys, time
from pathlib import Path
import os
os.chdir(sys.argv[1])
from cloister.pipelines.inside.loading import load
from cloister.pipelines.plan import parse
from cloister.pipelines.progress import Progress
begin, cpu = time.monotonic(), time.process_time()
plan = parse(load("flow.py", None, {}).plan)
Progress(plan).take()
took, cpu = time.monotonic() - begin, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(took, cpu, peak, len(plan.steps))
"""


def here(folder: Path, count: int, rounds: int) -> None:
    """Warm processes without a fence."""
    (folder / "flow.py").write_text(FLOW.format(count=count))
    taken = []
    for _ in range(rounds):
        workers = Processes(folder / "flow.py", None, {}, 2)
        begin = time.monotonic()
        run_plan(workers.plan, workers)
        taken.append(time.monotonic() - begin)
        workers.close()
    append(
        "pipelines",
        {
            "case": f"{count} no-op tasks, warm processes, no fence, no record",
            "s": round(statistics.median(taken), 3),
            "samples_s": [round(one, 3) for one in taken],
            "wanted_s": 0.0005 * count,
        },
    )


def in_a_lab(one: Shell, count: int) -> None:
    """The command as a user types it, and what of it the tasks took."""
    (one.work / "code").mkdir(exist_ok=True)
    (one.work / "code" / "flow.py").write_text(FLOW.format(count=count))
    for case, wanted in (("cold", 0.015 * count), ("again, nothing changed", 0.0002 * count)):
        ran = one("--json", "pipeline", "run", "flow.py", "--workdir", "code")
        said = ran.value
        append(
            "pipelines",
            {
                "case": f"{count} no-op tasks in a lab, {case}",
                "made": said["made"],
                "used_again": said["reused"],
                "command_s": round(ran.wall_s, 3),
                "with_fence_and_plan_s": round(said["took_s"], 3),
                "steps_s": round(said["steps_s"], 3),
                "ms_a_task": round(said["steps_s"] * 1000 / count, 2),
                "wanted_s": wanted,
            },
        )


def one_after_the_other(one: Shell, count: int = 50) -> None:
    """Each task waits for the one before: nothing is begun together."""
    text = FLOW.replace("for i in range({count}): noop(i)", "LOOP").format()
    loop = f"last = noop(0)\n    for i in range({count - 1}): last = noop(last)"
    (one.work / "code" / "flow.py").write_text(text.replace("LOOP", loop))
    said = one("--json", "pipeline", "run", "flow.py", "--workdir", "code", "--anew").value
    append(
        "pipelines",
        {
            "case": f"{count} no-op tasks in a lab, each after the one before",
            "ms_a_task": round(said["steps_s"] * 1000 / count, 2),
            "wanted_ms": 100,
        },
    )


def planned(folder: Path, count: int) -> None:
    """A file read, its plan described, parsed and put in order."""
    (folder / "flow.py").write_text(CHAIN.format(count=count))
    done = subprocess.run(
        [sys.executable, "-c", PLANNED, str(folder)], capture_output=True, text=True, check=True
    )
    took, cpu, peak, steps = done.stdout.split()
    append(
        "pipelines",
        {
            "case": f"{int(steps)} steps planned",
            "s": round(float(took), 3),
            "cpu_s": round(float(cpu), 3),
            "peak_mb": round(int(peak) / 1e6),
            "wanted_s": 5,
            "wanted_mb": 500,
        },
    )


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--lab", type=int, help="so many in a lab, and nothing else")
    options = parser.parse_args()
    quick = options.quick
    if options.lab:
        with new_lab() as one:
            in_a_lab(one, options.lab)
        return
    count = 200 if quick else 1000
    folder = Path(tempfile.mkdtemp(prefix="pipelines-"))
    try:
        here(folder, count, 1 if quick else 5)
        for size in (100, 1000, 10_000) if quick else (100, 1000, 10_000, 100_000):
            planned(folder, size)
            if size != count:
                here(folder, size, 1)
        for size in (count,) if quick else (100, 10_000, 100_000, count):
            with new_lab() as one:
                in_a_lab(one, size)
                if size == count:
                    one_after_the_other(one)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

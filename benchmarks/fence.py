"""What the fence adds to a command, beside the same command as a plain subprocess.

    python -m benchmarks.fence [--pairs N]

In turns, in one run: `true`; the interpreter of this venv; `true` in working folders of 10^3
to 10^5 files, which are shown and not copied; `true` with 10^2 to 10^4 files of data, whose
writing is the caller's and reported apart; one system call inside and outside. Wanted: the
fence adds less than 30 ms.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.line import append
from cloister.core.values import FenceReport
from cloister.fence import FenceSpec, Mount, interpreter_paths, job_environment, run

SYSCALLS = """
import os, time
rounds = []
for _ in range(9):
    begin = time.perf_counter_ns()
    for _ in range(50000): os.getppid()
    rounds.append((time.perf_counter_ns() - begin) / 50000)
print(sorted(rounds)[4])
"""


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds on the clock, and of processors: ours and of all that ended below us."""
    begin, worked = time.perf_counter(), processor_s()
    action()
    return (time.perf_counter() - begin) * 1000, (processor_s() - worked) * 1000


def processor_s() -> float:
    """Seconds of processor time so far."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(who) for who in whose]
    return sum(one.ru_utime + one.ru_stime for one in used)


def fenced(spec: FenceSpec) -> FenceReport:
    """The job, its output dropped."""
    return run(spec, on_output=lambda _: None, capture=lambda changes: list(changes) and None)


def compare(name: str, spec: FenceSpec, pairs: int, **facts: object) -> None:
    """Pairs of both, in changing order, so that neither gets the quieter moments."""
    plain: list[tuple[float, float]] = []
    inside: list[tuple[float, float]] = []
    setups: list[int] = []

    def subprocess_run() -> None:
        subprocess.run(spec.argv, cwd=spec.workdir, env=dict(spec.env), check=True)

    for number in range(pairs):
        if number % 2:
            plain.append(timed(subprocess_run))
        inside.append(timed(lambda: setups.append(fenced(spec).setup_ms)))
        if not number % 2:
            plain.append(timed(subprocess_run))
    pairs_made = list(zip(plain, inside, strict=True))
    added = [slow - fast for (fast, _), (slow, _) in pairs_made]
    worked = [slow - fast for (_, fast), (_, slow) in pairs_made]
    measured = {
        "case": name,
        "added_ms_median": round(statistics.median(added), 2),
        "added_ms_least": round(min(added), 2),
        "added_processor_ms_median": round(statistics.median(worked), 2),
        "wanted_ms": 30,
        "load": os.getloadavg()[0],
        "plain_ms": [round(one, 3) for one, _ in plain],
        "fenced_ms": [round(one, 3) for one, _ in inside],
        "setup_ms": setups,
    }
    append("fence", measured | facts)


def small_files(count: int) -> Callable[[int], None]:
    """Writes that many files of data."""

    def fill(folder: int) -> None:
        for number in range(count):
            flags = os.O_WRONLY | os.O_CREAT
            file = os.open(f"{number:06}", flags, 0o644, dir_fd=folder)
            os.write(file, b"x" * 100)
            os.close(file)

    return fill


def system_call(spec: FenceSpec) -> None:
    """Nanoseconds for one system call as Python makes it."""
    spec = replace(spec, argv=(sys.executable, "-I", "-S", "-c", SYSCALLS))
    said: list[bytes] = []
    run(spec, on_output=said.append)
    outside = subprocess.run(spec.argv, capture_output=True, check=True).stdout
    measured = {"case": "one system call", "inside_ns": float(b"".join(said))}
    append("fence", measured | {"outside_ns": float(outside)})


def main() -> None:
    """All cases."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=30)
    pairs = parser.parse_args().pairs
    reads = interpreter_paths(sys.executable, "")
    env = job_environment({}, {})
    with tempfile.TemporaryDirectory() as folder:
        empty = FenceSpec(("/bin/true",), Path(folder), env, reads)
        fenced(empty)
        compare("true", replace(empty, reads=()), pairs)
        compare("python", replace(empty, argv=(sys.executable, "-c", "pass")), pairs)
        for count in (100, 1000, 10000):
            data = (Mount(Path("/mnt/data"), small_files(count)),)
            compare("data", replace(empty, data=data), max(5, pairs // 3), files=count)
        system_call(empty)
    for count in (1000, 10000, 100000):
        with tempfile.TemporaryDirectory() as folder:
            for number in range(count):
                Path(folder, str(number)).touch()
            spec = replace(empty, workdir=Path(folder))
            compare("working folder", spec, max(5, pairs // 3), files=count)


if __name__ == "__main__":
    main()

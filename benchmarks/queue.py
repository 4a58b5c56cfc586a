"""How long a job of the service waits for nothing: from its submission to its process.

    python -m benchmarks.queue [--quick] [--at FOLDER]

`cloister up` runs; jobs are submitted one after the other to an idle machine. Measured from the
moment on record at which a job was asked for, to its turn (on record), to its own process
holding its lock, to the record of its run (code and environment are captured by then), and to
the first instruction of its command in the fence. Wanted: less than 100 ms to its process.
Then what it costs to give turns to many: one look at a queue of 1,000 jobs of ten people.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sqlite3
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from benchmarks.line import append
from benchmarks.shell import Shell, new_lab
from cloister.jobs.asks import Ask, Box, Priority
from cloister.jobs.turns import Rules, Waiting, turns

SAYS = "date +%s.%N; sleep 0.4"


def seconds(text: str) -> float:
    """Of an RFC 3339 time, since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def dispatched(shell: Shell, lab: Path) -> dict[str, float]:
    """One job; milliseconds since it was asked for."""
    run = json.loads(shell("--json", "run", "--detach", "--", "sh", "-c", SAYS).output)["run"]
    lock = lab / "locks" / run
    held = 0.0
    while not held:
        with contextlib.suppress(FileNotFoundError):
            held = lock.stat().st_mtime if lock.read_bytes() else 0.0
        time.sleep(0.002)
    said = shell("logs", "-f", run).output
    with contextlib.closing(sqlite3.connect(lab / "lab.db")) as database:
        sql = (
            "SELECT job.asked, job.started, run.started FROM job JOIN run USING (run)"
            " WHERE job.run = ?"
        )
        asked, turn, begun = map(seconds, database.execute(sql, (run,)).fetchone())
    moments = {"turn": turn, "process": held, "run": begun, "command": float(said.split()[0])}
    return {name: (moment - asked) * 1e3 for name, moment in moments.items()}


@contextlib.contextmanager
def up(shell: Shell) -> Iterator[None]:
    """The service, until the block ends."""
    process = shell.start("--json", "up", "--port", "0")
    assert process.stdout is not None
    while process.stdout.readline().rstrip() != "}":
        assert process.poll() is None
    try:
        yield
    finally:
        process.terminate()
        process.communicate()


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that ``part`` of all do not exceed."""
    return sorted(values)[math.ceil(part * len(values)) - 1]


def look_ms(jobs: int) -> float:
    """One look at a queue of that many, of ten people, on a machine of 64 processors."""
    box, ask = Box(tuple(range(64)), 1 << 38, tuple(range(8))), Ask(2, 1 << 32, 1)
    line = [
        Waiting(f"run{n}", f"person{n % 10}", Priority.NORMAL, ask, float(n))
        for n in range(jobs)
    ]
    began = time.perf_counter()
    turns(box, line, [], float(jobs), Rules())
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    """Measures and adds two lines to the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="ten jobs")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure")
    options = parser.parse_args()
    rounds = 10 if options.quick else 50
    with new_lab(options.at) as shell, up(shell):
        lab = shell.home / "cloister-lab"
        dispatched(shell, lab)
        ran = [dispatched(shell, lab) for _ in range(rounds)]
    measured = {
        f"{name}_ms": {
            "p50": round(percentile([one[name] for one in ran], 0.5), 1),
            "p95": round(percentile([one[name] for one in ran], 0.95), 1),
        }
        for name in ran[0]
    }
    append(
        "queue",
        {"case": f"dispatch, {rounds} jobs"} | measured | {"wanted_ms": 100, "raw": ran},
    )
    looks = [look_ms(1000) for _ in range(5)]
    append(
        "queue",
        {
            "case": "one look at 1,000 jobs",
            "ms": round(statistics.median(looks), 1),
            "raw": looks,
        },
    )


if __name__ == "__main__":
    main()

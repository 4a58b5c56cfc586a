"""What `cloister reproduce` takes beside the run it replays, and what a verdict's search takes.

    python -m benchmarks.reproduce [--turns N] [--seconds S]

In turns, in one lab: a training script of some seconds as `cloister run`, then `reproduce` of
it, from the start of each command to its end. Wanted: less than 1.1 times the run.
"""

from __future__ import annotations

import argparse
import statistics

from benchmarks.line import append
from benchmarks.shell import PATTERN, Shell, new_lab, write_files

TRAIN = """
import hashlib, json, pathlib, sys, time
seconds, weight, steps = float(sys.argv[2]), 0.0, int(sys.argv[3])
data = [p.read_bytes() for p in sorted(pathlib.Path("scans").rglob("*.bin"))]
for step in range(steps):
    weight = weight * 0.999 + hashlib.sha256(data[step % len(data)]).digest()[0] / 255
pathlib.Path("metrics.json").write_text(json.dumps({"weight": weight}))
pathlib.Path("weights.bin").write_bytes(data[0] * 100)
"""


def steps_for(shell: Shell, seconds: float) -> int:
    """How many steps take about that long here."""
    few = 20_000
    base = shell("run", "--", "python3", "train.py", "scans", "0", 1).wall_s
    took = shell("run", "--", "python3", "train.py", "scans", "0", few).wall_s
    return int(few * seconds / max(took - base, 0.05))


def main() -> None:
    """All turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--quick", action="store_true", help="two turns of four seconds")
    options = parser.parse_args()
    if options.quick:
        options.turns, options.seconds = 2, 4.0
    runs: list[float] = []
    replays: list[float] = []
    with new_lab() as shell:
        write_files(shell.work / "scans", 200, 20_000)
        (shell.work / "train.py").write_text(TRAIN)
        shell("add", "scans", "--subject-pattern", PATTERN)
        steps = steps_for(shell, options.seconds)
        for _ in range(options.turns):
            command = ("python3", "train.py", "scans", options.seconds, steps)
            runs.append(shell("run", "--", *command).wall_s)
            listed = shell.json("ls", "--runs")
            newest = [row["run"] for row in listed if "replay" not in row["state"]][-1]
            took = shell("--json", "reproduce", newest)
            assert took.value["verdict"] == "IDENTICAL"
            replays.append(took.wall_s)
    pairs = zip(replays, runs, strict=True)
    measured = {
        "times_the_run": round(statistics.median(r / s for r, s in pairs), 3),
        "wanted": 1.1,
        "run_s": [round(one, 3) for one in runs],
        "reproduce_s": [round(one, 3) for one in replays],
    }
    append("reproduce", measured)


if __name__ == "__main__":
    main()

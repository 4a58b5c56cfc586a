"""How long it takes until a lab is there, keys, store, ledger and recovery kit.

    python -m benchmarks.init [--quick] [--at FOLDER]

Each round begins with an empty home. Wanted: less than 2 s.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from benchmarks.line import append
from benchmarks.shell import Ran, new_shell


def founded(at: Path | None) -> Ran:
    """One `cloister init`."""
    with new_shell(at) as shell:
        return shell("init")


def main() -> None:
    """Measures and adds one line to the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure")
    options = parser.parse_args()
    ran = [founded(options.at) for _ in range(3 if options.quick else 5)]
    measured = {
        "init_s": round(statistics.median(one.wall_s for one in ran), 3),
        "wanted_s": 2.0,
        "raw": {"wall_s": [one.wall_s for one in ran], "cpu_s": [one.cpu_s for one in ran]},
    }
    append("init", measured)


if __name__ == "__main__":
    main()

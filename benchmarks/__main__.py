"""Runs benchmarks: all of them, or those named. ``python -m benchmarks [NAME ...]``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ALL = ("main_job", "dicom", "fence", "keys", "ledger", "serve", "store")


def main(names: list[str]) -> int:
    """Each in its turn; the exit status is the number that failed."""
    failed = 0
    for name in names or ALL:
        if not (Path(__file__).parent / f"{name}.py").is_file():
            sys.exit(f"no such benchmark: {name}; there are {', '.join(ALL)}")
        print(f"== {name}", flush=True)
        try:
            sys.argv = [name]
            runpy.run_module(f"benchmarks.{name}", run_name="__main__")
        except SystemExit as stop:
            failed += bool(stop.code)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

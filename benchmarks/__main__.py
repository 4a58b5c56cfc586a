"""Every measurement, one after the other, each in a process of its own; or those named.

    python -m benchmarks [NAME...] [-- ARGUMENT...]

Each adds its lines to `benchmarks/results/NAME.jsonl`; `make docs` shows the newest of them in
`docs/reference/figures.md`.
What follows `--` is passed on: with `--quick` all of them are done in two minutes, and with
`add -- --dvc PROGRAM` the add has its peer. Exit status 1 if one of them failed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
LEFT_OUT = {"__main__", "__init__", "clients", "line", "load", "planted", "servers", "shell"}
"""What measures nothing."""
BY_NAME = {"peers"}
"""What fetches programs of others, and is measured when it is named."""


def names() -> list[str]:
    """All measurements, by name."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in LEFT_OUT)


def main(words: list[str]) -> int:
    """Runs them; gives the exit status."""
    cut = words.index("--") if "--" in words else len(words)
    chosen, passed_on = words[:cut] or sorted({*names()} - BY_NAME), words[cut + 1 :]
    failed = []
    for name in chosen:
        began = time.monotonic()
        command = [sys.executable, "-m", f"benchmarks.{name}", *passed_on]
        if subprocess.run(command, cwd=HERE.parent, check=False).returncode:
            failed.append(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

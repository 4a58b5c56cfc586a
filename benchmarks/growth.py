"""How commands grow from 10^3 to 10^5 records.

    python -m benchmarks.growth [--quick] [--at FOLDER] [--memory FOLDER]

Labs of 10^3, 10^4 and 10^5 files of 256 bytes, 100 to a subject, each through the command line:
add; add again with nothing new; `ls`, which opens the lab and prints one line; `ls` of every
record by name; audit of the log, and with rows; get of the whole version into memory; a job
that does nothing. Seconds of each whole command, and microseconds for each record: what an
answer does not name every record for should not grow with them.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from benchmarks.line import append
from benchmarks.shell import PATTERN, new_lab, write_files


def lab_of(at: Path | None, memory: Path, records: int) -> dict[str, float]:
    """Seconds of each command, once, on a lab of its own."""
    with new_lab(at) as shell:
        source = write_files(shell.work / "data", records, 256)
        target = memory / shell.work.parent.name
        commands: dict[str, tuple[object, ...]] = {
            "add": ("add", source, "--no-checks", "--subject-pattern", PATTERN),
            "add_again": ("add", source, "--no-checks", "--subject-pattern", PATTERN),
            "ls": ("ls",),
            "ls_records": ("--json", "ls", "data1"),
            "audit_log": ("audit", "--log-only"),
            "audit_rows": ("audit",),
            "get": ("get", "data1", "-o", target),
            "run_without_data": ("run", "--", "true"),
        }
        try:
            return {name: shell(*words).wall_s for name, words in commands.items()}
        finally:
            shutil.rmtree(target, ignore_errors=True)


def main() -> None:
    """Measures and adds one line to the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="10^3 and 10^4 only")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a tmpfs")
    options = parser.parse_args()
    sizes = (1_000, 10_000) if options.quick else (1_000, 10_000, 100_000)
    raw = {size: lab_of(options.at, options.memory, size) for size in sizes}
    names = list(raw[sizes[0]])
    measured: dict[str, object] = {
        "records": sizes,
        "seconds": {name: [round(raw[size][name], 3) for size in sizes] for name in names},
        "us_per_record": {
            name: [round(raw[size][name] * 1e6 / size, 1) for size in sizes] for name in names
        },
        "raw": raw,
    }
    append("growth", measured)


if __name__ == "__main__":
    main()

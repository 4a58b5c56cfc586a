"""How fast a version becomes files: for a job in the fence, and with `cloister get`.

    python -m benchmarks.materialise [--quick] [--at FOLDER] [--memory FOLDER]

A job sees its data in a file system in memory, so the peer is `cp -r` of the same files, from
the page cache, into one (`--memory`, /dev/shm by default), in turns. The job's figure is what
`cloister run -- true` takes more with the data than without; get's is the whole command's.
Wanted for a job: 20,000 x 4 KiB at least 0.5 of cp, 1 GiB at least 0.4.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from benchmarks.line import append
from benchmarks.shell import PATTERN, Shell, command, new_lab, ratio, write_files


def job(shell: Shell, *options: str) -> float:
    """Seconds of a command in the fence that does nothing."""
    return shell("run", *options, "--", "true").wall_s


def version(at: Path, memory: Path, files: int, size: int, rounds: int) -> dict[str, object]:
    """One version of so many files of that size."""
    samples: dict[str, list[float]] = {"cp": [], "job": [], "empty_job": [], "get": []}
    with tempfile.TemporaryDirectory(dir=at) as place, new_lab(at) as shell:
        source = write_files(Path(place, "data"), files, size)
        shell("add", source, "--no-checks", "--subject-pattern", PATTERN)
        job(shell)
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(dir=memory) as target:
                samples["cp"].append(command("cp", "-r", source, f"{target}/copy").wall_s)
                shutil.rmtree(f"{target}/copy")
                samples["get"].append(shell("get", "data1", "-o", f"{target}/got").wall_s)
            samples["empty_job"].append(job(shell))
            samples["job"].append(job(shell, "--data", "data1"))
    pairs = zip(samples["job"], samples["empty_job"], strict=True)
    for_job = [full - empty for full, empty in pairs]
    return {
        "files": files,
        "file_bytes": size,
        "cp_s": round(statistics.median(samples["cp"]), 3),
        "job_s": round(statistics.median(for_job), 3),
        "get_s": round(statistics.median(samples["get"]), 3),
        "ratio": ratio(samples["cp"], for_job),
        "get_ratio": ratio(samples["cp"], samples["get"]),
        "wanted": 0.5 if files > 1 else 0.4,
        "raw": {f"{name}_s": kept for name, kept in samples.items()},
    }


def main() -> None:
    """Measures and adds one line to the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a tmpfs")
    options = parser.parse_args()
    part, rounds = (10, 2) if options.quick else (1, 5)
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        at, memory = Path(folder), options.memory
        measured = {
            "small": version(at, memory, 20_000 // part, 4096, rounds),
            "large": version(at, memory, 1, (1 << 30) // part, rounds),
        }
    append("materialise", measured | {"quick": options.quick})


if __name__ == "__main__":
    main()

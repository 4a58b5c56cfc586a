"""How fast DICOM files become items, against pydicom parsing their headers; one core each.

    python benchmarks/dicom.py [FOLDER]

FOLDER holds DICOM files; without it, those that pydicom carries, copied ten times. Both sides
read the same files from the page cache, in turns. Wanted: a ratio of at least 0.6.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pydicom

from cloister.biobank import Kind, SubjectRules
from cloister.biobank.walk import walk

HERE = Path(__file__).parent
ROUNDS = 5


def scans(folder: Path) -> list[Path]:
    """The files that the walk takes for whole DICOM files: those pydicom can parse too."""
    items = walk(folder, SubjectRules())
    return [
        folder / item.path
        for item in items
        if item.kind is Kind.DICOM and item.quarantine in {None, "no-subject"}
    ]


def copies(folder: Path, times: int) -> None:
    source = Path(pydicom.__file__).parent / "data" / "test_files"
    for number in range(times):
        shutil.copytree(source, folder / str(number))


def walked(folder: Path) -> None:
    for item in walk(folder, SubjectRules()):
        for _ in item.chunks():
            pass


def parsed(files: list[Path]) -> None:
    for file in files:
        pydicom.dcmread(file, stop_before_pixels=True, force=True)


def seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(folder: Path) -> dict[str, object]:
    """Rates per second of processor time, and their ratio, round by round."""
    warnings.simplefilter("ignore")
    files = scans(folder)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(len(files) / seconds(lambda: parsed(files)))
        ours.append(len(files) / seconds(lambda: walked(folder)))
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    return {
        "benchmark": "dicom",
        "files": len(files),
        "walk_per_s": round(statistics.median(ours), 1),
        "pydicom_header_per_s": round(statistics.median(theirs), 1),
        "ratio": round(statistics.median(ratios), 3),
        "wanted": 0.6,
        "raw": {
            "walk_per_s": [round(rate, 1) for rate in ours],
            "pydicom_header_per_s": [round(rate, 1) for rate in theirs],
        },
    }


def where(given: Path | None) -> dict[str, object]:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return {
        "data": given.name if given else "pydicom",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "python": platform.python_version(),
        "pydicom": pydicom.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    given = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as scratch:
        if given is None:
            copies(Path(scratch), 10)
        line = json.dumps(measure(given or Path(scratch)) | where(given))
    results = HERE / "results" / "dicom.jsonl"
    results.parent.mkdir(exist_ok=True)
    with results.open("a") as file:
        file.write(line + "\n")
    print(line)


if __name__ == "__main__":
    main()

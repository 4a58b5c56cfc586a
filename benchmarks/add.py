"""How fast `cloister add` seals a folder: many small files, one large one, real scans.

    python -m benchmarks.add [--quick] [--at FOLDER] [--dvc PROGRAM] [--dicom FOLDER]

Whole commands on a fresh lab, each followed by sync, in turns with the peer: `dvc add` with
hard links (left out where no dvc is named: it is not part of this project), `cp`, and pydicom
reading the same headers in one process. All sources are in the page cache. Scans are compared
by processor time, the key service's included, so that the figure is that of one core. Wanted:
small files ahead of dvc; 1 GiB at least 0.5 of cp; scans at least 0.6 of pydicom.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pydicom

from benchmarks.line import append
from benchmarks.shell import (
    PATTERN,
    Shell,
    command,
    new_lab,
    processor_s,
    ratio,
    seconds,
    write_files,
)
from cloister.biobank import Kind, SubjectRules
from cloister.biobank.walk import walk

SMALL = 4096
CARRIED = Path(pydicom.__file__).parent / "data" / "test_files"
SHARED = Path(__file__).parents[2] / "shared" / "data" / "sts"


def synced(work: Callable[[], object]) -> float:
    """Seconds until what it wrote is at rest."""

    def all_of_it() -> None:
        work()
        os.sync()

    os.sync()
    return seconds(all_of_it)


def ours(at: Path, source: Path) -> tuple[float, float]:
    """Seconds of adding a folder to a fresh lab, and of adding it again."""
    with new_lab(at) as shell:
        first = synced(
            lambda: shell("add", source, "--no-checks", "--subject-pattern", PATTERN)
        )
        return first, synced(
            lambda: shell("add", source, "--no-checks", "--subject-pattern", PATTERN)
        )


@contextmanager
def repository(at: Path, source: Path, dvc: Path) -> Iterator[Callable[..., object]]:
    """An empty DVC repository with a copy of the folder in it."""
    with tempfile.TemporaryDirectory(dir=at) as place:
        shutil.copytree(source, Path(place, "data"))

        def run(*words: str) -> object:
            settings = {"HOME": place, "PATH": os.environ["PATH"], "DVC_NO_ANALYTICS": "1"}
            return command(dvc, *words, cwd=place, env=settings)

        run("init", "-q", "--no-scm")
        run("config", "cache.type", "hardlink")
        yield run


def theirs(at: Path, source: Path, dvc: Path) -> tuple[float, float]:
    """The same for `dvc add`."""
    with repository(at, source, dvc) as run:
        return synced(lambda: run("add", "-q", "data")), synced(
            lambda: run("add", "-q", "data")
        )


def small_files(at: Path, count: int, rounds: int, dvc: Path | None) -> dict[str, object]:
    """``count`` files of 4 KiB."""
    samples: dict[str, list[tuple[float, float]]] = {"dvc": [], "cloister": []}
    with tempfile.TemporaryDirectory(dir=at) as place:
        source = write_files(Path(place, "data"), count, SMALL)
        for _ in range(rounds):
            if dvc:
                samples["dvc"].append(theirs(at, source, dvc))
            samples["cloister"].append(ours(at, source))
    medians = {
        name: [round(statistics.median(column), 3) for column in zip(*kept, strict=True)]
        for name, kept in samples.items()
        if kept
    }
    mine, peer = medians["cloister"], medians.get("dvc")
    return {
        "files": count,
        "file_bytes": SMALL,
        "add_s": mine[0],
        "again_s": mine[1],
        "dvc_add_s": peer and peer[0],
        "dvc_again_s": peer and peer[1],
        "ratio": peer and ratio(*([first for first, _ in samples[n]] for n in samples)),
        "wanted": "> 1",
        "raw": {"first_and_again_s": samples},
    }


def large_file(at: Path, size: int, rounds: int) -> dict[str, object]:
    """One file of ``size`` bytes, in turns with cp."""
    added, copied = [], []
    with tempfile.TemporaryDirectory(dir=at) as place:
        source = write_files(Path(place, "data"), 1, size)
        copy = Path(place, "copy")
        for _ in range(rounds):
            copied.append(synced(lambda: command("cp", source / "P0000" / "0.bin", copy)))
            copy.unlink()
            added.append(ours(at, source)[0])
    return {
        "bytes": size,
        "add_s": round(statistics.median(added), 3),
        "cp_s": round(statistics.median(copied), 3),
        "ratio": ratio(copied, added),
        "wanted": 0.5,
        "raw": {"add_s": added, "cp_s": copied},
    }


def scans(at: Path, source: Path, count: int, rounds: int) -> dict[str, object]:
    """``count`` DICOM files made from those of a folder, in turns with pydicom."""
    added, parsed, wall = [], [], []
    with tempfile.TemporaryDirectory(dir=at) as place:
        folder = Path(place)
        files = instances(source, folder, count)
        size = sum(file.stat().st_size for file in files)
        for _ in range(rounds):
            began = time.process_time()
            for file in files:
                pydicom.dcmread(file, stop_before_pixels=True, force=True)
            parsed.append(time.process_time() - began)
            with new_lab(at) as shell:
                wall_s, processor = scanned(shell, folder, count)
            added.append(processor)
            wall.append(wall_s)
    return {
        "data": "sts" if source == SHARED else "pydicom",
        "files": count,
        "bytes": size,
        "add_per_core_s": round(count / statistics.median(added)),
        "pydicom_per_core_s": round(count / statistics.median(parsed)),
        "add_per_s": round(count / statistics.median(wall)),
        "ratio": ratio(parsed, added),
        "wanted": 0.6,
        "raw": {"add_cpu_s": added, "add_wall_s": wall, "pydicom_cpu_s": parsed},
    }


def instances(source: Path, folder: Path, count: int) -> list[Path]:
    """The sound scans below ``source`` over and over, each time with another instance UID.

    Without that, later ones would be found to be the same and not be sealed again.
    """
    sound: list[tuple[bytes, bytes]] = []
    for item in walk(source, SubjectRules()):
        if item.kind is Kind.DICOM and item.quarantine is None:
            content = (source / item.path).read_bytes()
            header = pydicom.dcmread(BytesIO(content), stop_before_pixels=True, force=True)
            uid = str(header.get("SOPInstanceUID", "")).encode()
            if len(uid) > 10 and uid in content:
                sound.append((content, uid))
    made = [folder / f"{number}.dcm" for number in range(count)]
    for number, file in enumerate(made):
        content, uid = sound[number % len(sound)]
        file.write_bytes(content.replace(uid, uid[:-5] + f"{10_000 + number}".encode()))
    return made


def scanned(shell: Shell, folder: Path, expected: int) -> tuple[float, float]:
    """Wall and processor seconds of adding DICOM files whole."""
    service = shell.key_service()
    before = processor_s(service)
    ran = shell("--json", "add", folder, "--no-checks")
    assert ran.value["added"] == expected, ran.output
    return ran.wall_s, ran.cpu_s + processor_s(service) - before


def main() -> None:
    """Measures and adds one line to the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure")
    parser.add_argument("--dvc", type=Path, help="the dvc program to compare with")
    parser.add_argument(
        "--dicom",
        type=Path,
        help="a folder of DICOM files [else sts or pydicom's]",
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    part, rounds = (10, 2) if options.quick else (1, 5)
    if options.dvc is None:
        print("add: no peer for small files; name one with --dvc PROGRAM")
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        at = Path(folder)
        given = options.dicom or (SHARED if SHARED.is_dir() else CARRIED)
        measured = {
            "small": small_files(at, 20_000 // part, rounds, options.dvc),
            "large": large_file(at, (1 << 30) // part, rounds),
            "scans": scans(at, given, 5000 // part, rounds),
        }
    append("add", measured | {"quick": options.quick})


if __name__ == "__main__":
    main()

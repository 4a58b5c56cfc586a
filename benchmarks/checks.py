"""Checks: what they find of defects that were planted, what they find in clean data, how fast.

    python -m benchmarks.checks [--quick] [--data FOLDER] [--seeds N] [--tesseract PROGRAM]

Precision and recall of each kind, over records or patients, from copies of real data with
defects in known places; the same copies without defects are the clean negatives. Then how many
DICOM files one core looks into, and how the search for near duplicates grows. The folder of
real data is ../shared/data or CLOISTER_TEST_DATA; without it the table alone is measured.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from benchmarks import planted
from benchmarks.line import append
from benchmarks.planted import ALL, Plant
from benchmarks.shell import Shell, new_lab
from cloister.checks.looking import Asked, Looker
from cloister.checks.near import near_pairs

WHOLE = frozenset(("D404", "D602", "D801", "D802", "D901", "D902", "D903"))
"""Kinds that are about the dataset; the others are about records."""
IGNORED = frozenset(("D703", "D706"))
"""The ids in file names are how the copies say whose each file is."""


def main() -> None:
    """Measures all of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tesseract", type=Path)
    parser.add_argument("--only", help="One of study, groups, cells, named, scans, written.")
    beside = Path(__file__).resolve().parents[2] / "shared/data"
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("CLOISTER_TEST_DATA", beside))
    )
    options = parser.parse_args()
    seeds = 1 if options.quick else options.seeds
    accuracy(options.data, seeds, options.tesseract, options.only)
    if options.only:
        return
    append("checks", {"case": "near-duplicate search"} | growth(quick=options.quick))
    if options.data.is_dir():
        append("checks", {"case": "looking, one core"} | looking(options.data, options.quick))


def accuracy(data: Path, seeds: int, tesseract: Path | None, only: str | None = None) -> None:
    """A line for each dataset: kind -> planted, found, precision, recall; clean: false ones."""
    makers: dict[str, Callable[..., Plant]] = {"study": planted.study, "groups": planted.groups}
    if data.is_dir():
        makers |= {
            "cells": lambda folder, seed, clean: planted.cells(folder, data, seed, clean=clean),
            "named": lambda folder, seed, clean: planted.named(folder, data, seed, clean=clean),
            "scans": lambda folder, seed, clean: planted.scans(folder, data, seed, clean=clean),
        }
    if data.is_dir() and tesseract is not None:
        makers["written"] = lambda folder, seed, clean: planted.written(
            folder, data, seed, clean=clean
        )
    for name, make in makers.items():
        if only not in {None, name}:
            continue
        program = tesseract if name == "written" else None
        scores, false = Scores(), Scores()
        for seed in range(1, seeds + 1):
            for clean, into in ((False, scores), (True, false)):
                with tempfile.TemporaryDirectory(prefix="planted-") as place:
                    plant = make(Path(place), 7919 * seed, clean=clean)
                    into.count(plant, judged(plant, program))
        append(
            "checks",
            {
                "case": f"planted in {name}",
                "seeds": seeds,
                "kinds": scores.table(),
                "least": scores.least(),
                "clean_records": false.records,
                "clean_false": sum(false.false().values()),
                "clean": {"records": false.records, "false": false.false()},
            },
        )


class Scores:
    """Hits and misses of each kind, over all seeds."""

    def __init__(self) -> None:
        self.planted: dict[str, int] = defaultdict(int)
        self.found: dict[str, int] = defaultdict(int)
        self.right: dict[str, int] = defaultdict(int)
        self.records = 0

    def count(self, plant: Plant, found: Mapping[str, set[str]]) -> None:
        """Adds one dataset."""
        self.records += len(found[""])
        for code in set(plant.truth) | (set(found) - {""}):
            if code in IGNORED:
                continue
            truth = plant.truth.get(code, set())
            said = {ALL} if code in WHOLE and found.get(code) else found.get(code, set())
            self.planted[code] += len(truth)
            self.found[code] += len(said)
            self.right[code] += len(truth & said)

    def table(self) -> dict[str, dict[str, object]]:
        """Precision and recall of each kind that was planted or found."""
        return {
            code: {
                "planted": self.planted[code],
                "found": self.found[code],
                "precision": _share(self.right[code], self.found[code]),
                "recall": _share(self.right[code], self.planted[code]),
            }
            for code in sorted(set(self.planted) | set(self.found))
        }

    def least(self) -> dict[str, float]:
        """The worst precision and recall of any kind."""
        kinds = self.table().values()
        return {
            name: min(float(kind[name]) for kind in kinds if isinstance(kind[name], float))
            for name in ("precision", "recall")
        }

    def false(self) -> dict[str, int]:
        """What was found that nobody planted."""
        return {
            code: self.found[code] - self.right[code]
            for code in sorted(self.found)
            if self.found[code] > self.right[code]
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def judged(plant: Plant, tesseract: Path | None) -> dict[str, set[str]]:
    """Kind -> paths or patients, as a lab of its own finds them; "" -> all records."""
    with new_lab() as shell, reading(shell, tesseract):
        words = [str(word) for word in plant.add]
        report = shell.json("add", plant.folder, *words)
        if tesseract is not None:
            report["checks"] = shell.json("check", "--ocr", "all")
        names = _names(shell, plant)
    found: dict[str, set[str]] = {"": set(names.values())}
    for one in report["checks"]["findings"]:
        mine = {names[record] for record in one["records"]} or {ALL}
        found.setdefault(one["code"], set()).update(mine)
    return found


def _names(shell: Shell, plant: Plant) -> dict[str, str]:
    """Record -> its path, or its patient's id for rows."""
    listed = shell.json("ls", "data1") + shell.json("ls", "data1", "--quarantine")
    if not plant.by_patient:
        return {row["record"]: row["path"] for row in listed}
    with (plant.folder / "table.csv").open() as file:
        ids = sorted({line.split(",")[0] for line in file} - {"patient_id"})
    with shell_keys(shell) as client:
        subjects = client.subjects([("local", one) for one in ids], create=False)
    known = dict(zip(subjects, ids, strict=True))
    return {row["record"]: known.get(row["subject"], "") for row in listed}


@contextmanager
def shell_keys(shell: Shell) -> Iterator[Any]:
    """The key service, with the owner's lease."""
    from cloister.keys.client import KeyClient
    from cloister.keys.launch import read_lease

    (socket,) = shell.home.glob("run/cloister/*/keyd.sock")
    with KeyClient(socket, read_lease(socket.with_name("owner.lease"))) as client:
        yield client


@contextmanager
def reading(shell: Shell, tesseract: Path | None) -> Iterator[None]:
    """Puts the program on the path of the shell, under its own name."""
    if tesseract is None:
        yield
        return
    before = os.environ["PATH"]
    place = shell.home / "bin"
    place.mkdir()
    (place / "tesseract").symlink_to(tesseract.resolve())
    os.environ["PATH"] = f"{place}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def growth(*, quick: bool) -> dict[str, object]:
    """Seconds of the search among so many hashes, a tenth of them near another."""
    measured, seconds = {}, {}
    for count in (1_000, 3_000, 10_000, 30_000, 100_000):
        if quick and count > 10_000:
            break
        made = np.random.default_rng(count)
        hashes = made.integers(0, 2**64, count, dtype=np.uint64)
        near = count // 10
        flips = np.uint64(1) << made.integers(0, 64, near, dtype=np.uint64)
        hashes[:near] = hashes[near : 2 * near] ^ flips
        began = time.process_time()
        pairs = sum(1 for _ in near_pairs(hashes, 6))
        seconds[str(count)] = round(time.process_time() - began, 3)
        measured[str(count)] = {"s": seconds[str(count)], "pairs": pairs}
        assert pairs >= near
    return {"images": measured, "seconds": seconds, "wanted_s": {"100000": 60}}


def looking(data: Path, quick: bool) -> dict[str, object]:
    """DICOM files a second of processor time of the child: as they are, and 512 x 512."""
    paths = sorted((data / "sts/dicom").rglob("*.dcm"))[: 100 if quick else 600]
    small = [path.read_bytes() for path in paths]
    large = [_enlarged(content) for content in small[:100]]
    return {
        "sts_per_s": _rate(small),
        "of_512_per_s": _rate([one for one in large if one]),
        "wanted_per_s": 200,
    }


def _enlarged(content: bytes) -> bytes:
    scan = pydicom.dcmread(io.BytesIO(content))
    if "PixelData" not in scan:
        return b""
    pixels = np.resize(scan.pixel_array, (512, 512))
    scan.Rows = scan.Columns = 512
    scan.PixelData = np.ascontiguousarray(pixels).tobytes()
    out = io.BytesIO()
    scan.save_as(out)
    return out.getvalue()


def _rate(contents: list[bytes]) -> float:
    """By the processor time that the kernel counted for the child, started beforehand."""
    with Looker() as looker:
        list(looker.facts([Asked("r", "dicom", "x", contents[0])]))
        child = looker._child
        assert child is not None
        before = _cpu_s(child.pid)
        list(looker.facts(Asked("r", "dicom", "x", content) for content in contents))
        return round(len(contents) / (_cpu_s(child.pid) - before), 1)


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()

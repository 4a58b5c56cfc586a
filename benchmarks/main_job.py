"""The main job through the real command line, each figure beside a baseline of the same minute.

Run it on a quiet machine: ``python -m benchmarks.main_job [--dvc PATH_OF_DVC]``. It needs 5 GiB
of disk and two of memory, and takes about ten minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.line import append

SMALL, SMALL_BYTES, LARGE_BYTES = 20_000, 4096, 1 << 30
ROUNDS = 5
GROWTH = (1_000, 10_000, 100_000)


class Home:
    """A private home with a lab; commands run as a user would type them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        (place / "passphrase").write_text("benchmark\n")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {
            "HOME": str(place),
            "PATH": path,
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(place),
            "CLOISTER_PASSPHRASE_FILE": str(place / "passphrase"),
        }

    def timed(self, *words: str, sync: bool = True) -> float:
        """Seconds of one command, and of the sync after it."""
        started = time.perf_counter()
        self.run(*words)
        if sync:
            os.sync()
        return time.perf_counter() - started

    def run(self, *words: str) -> str:
        """One command's standard output."""
        command = [sys.executable, "-m", "cloister", *words]
        done = subprocess.run(
            command, cwd=self.place, env=self.environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"{words}: {done.stderr}")
        return done.stdout


@contextlib.contextmanager
def home(place: Path) -> Iterator[Home]:
    """A home that is gone afterwards, with its key service."""
    made = Home(place)
    try:
        yield made
    finally:
        with contextlib.suppress(SystemExit):
            made.run("lock", "--stop")
        shutil.rmtree(place, ignore_errors=True)


def paired(
    ours: Callable[[int], float], theirs: Callable[[int], float]
) -> Mapping[str, object]:
    """Both in turn; medians, and the median of the ratios theirs/ours."""
    samples = [(ours(n), theirs(n)) for n in range(ROUNDS)]
    return {
        "seconds": round(statistics.median(a for a, _ in samples), 3),
        "baseline_seconds": round(statistics.median(b for _, b in samples), 3),
        "ratio": round(statistics.median(b / a for a, b in samples), 2),
        "raw": [[round(a, 3), round(b, 3)] for a, b in samples],
    }


def write_small(folder: Path, files: int) -> None:
    """Files of 4 KiB, a hundred to a patient."""
    for number in range(files):
        if number % 100 == 0:
            patient = folder / f"P{number // 100:05d}"
            patient.mkdir(parents=True)
        (patient / f"{number}.bin").write_bytes(os.urandom(SMALL_BYTES))


def copy(source: Path, target: Path) -> float:
    """``cp -r`` and sync."""
    started = time.perf_counter()
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)
    os.sync()
    seconds = time.perf_counter() - started
    shutil.rmtree(target)
    return seconds


def dvc_add(dvc: str, source: Path, place: Path) -> float:
    """``dvc add`` of a fresh copy, hardlinks in its cache, and sync."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copytree(source, place / "data")
    for words in (("init", "--no-scm"), ("config", "cache.type", "hardlink")):
        subprocess.run([dvc, *words], cwd=place, check=True, capture_output=True)
    os.sync()
    started = time.perf_counter()
    subprocess.run([dvc, "add", "data"], cwd=place, check=True, capture_output=True)
    os.sync()
    return time.perf_counter() - started


def startup(place: Path) -> None:
    """`init`, importing the package, the shortest command."""
    inits = []
    for number in range(ROUNDS):
        with home(place / f"init{number}") as made:
            inits.append(round(made.timed("init", sync=False), 3))
    code = (
        "import time; s = time.perf_counter(); import cloister; print(time.perf_counter() - s)"
    )
    imports = [
        float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(ROUNDS)
    ]
    with home(place / "start") as made:
        made.run("init")
        lists = [round(made.timed("ls", sync=False), 3) for _ in range(ROUNDS)]
    append(
        "main_job",
        {
            "case": "start",
            "init_s": statistics.median(inits),
            "import_ms": round(statistics.median(imports) * 1000, 1),
            "ls_s": statistics.median(lists),
            "raw": {"init_s": inits, "ls_s": lists},
        },
    )


def add_small(place: Path, dvc: str | None) -> None:
    """20,000 files of 4 KiB against `cp -r`, and against DVC where its path was given."""
    write_small(place / "small", SMALL)

    def ours(number: int) -> float:
        with home(place / f"add{number}") as made:
            made.run("init")
            return made.timed("add", str(place / "small"), "--subject-pattern", "(P[0-9]+)")

    append(
        "main_job",
        {"case": "add 20,000 x 4 KiB, against cp",
         **paired(ours, lambda n: copy(place / "small", place / f"cp{n}"))},
    )  # fmt: skip
    if dvc:
        peer = paired(ours, lambda _: dvc_add(dvc, place / "small", place / "dvc"))
        append("main_job", {"case": "add 20,000 x 4 KiB, against dvc", "wanted": 1.0, **peer})
    else:
        print("dvc: not compared; give its path with --dvc")
    shutil.rmtree(place / "small")


def add_large(place: Path) -> None:
    """One gibibyte in one file against `cp`."""
    folder = place / "large"
    (folder / "P1").mkdir(parents=True)
    subprocess.run(
        ["dd", "if=/dev/urandom", f"of={folder}/P1/scan.bin", "bs=1M", "count=1024"],
        check=True, capture_output=True,
    )  # fmt: skip

    def ours(number: int) -> float:
        with home(place / f"big{number}") as made:
            made.run("init")
            return made.timed("add", str(folder), "--subject-pattern", "(P[0-9]+)")

    baseline = paired(ours, lambda n: copy(folder, place / f"cp{n}"))
    append("main_job", {"case": "add 1 GiB, against cp", "wanted": 0.5, **baseline})
    shutil.rmtree(folder)


def materialise(place: Path) -> None:
    """A version put before a job, against `cp` in memory: setup grows by what is filled."""
    for case, wanted, make in (
        ("20,000 x 4 KiB", 0.5, lambda folder: write_small(folder, SMALL)),
        ("1 GiB", 0.4, write_large),
    ):
        folder = place / "data"
        make(folder)
        with home(place / "job") as made, memory_folder() as memory:
            made.run("init")
            made.run("add", str(folder), "--subject-pattern", "(P[0-9]+)")
            empty = [made.timed("run", "--", "true", sync=False) for _ in range(ROUNDS)]
            base = statistics.median(empty)
            words = ("run", "--data", "data1", "--", "true")
            ours = paired(
                lambda _, w=words, m=made, b=base: m.timed(*w, sync=False) - b,
                lambda n, f=folder, m=memory: copy(f, m / f"cp{n}"),
            )
        append("main_job", {"case": f"materialise {case}", "wanted": wanted, **ours})
        shutil.rmtree(folder)


def write_large(folder: Path) -> None:
    """One gibibyte of one patient."""
    (folder / "P1").mkdir(parents=True)
    with (folder / "P1/scan.bin").open("wb") as file:
        for _ in range(LARGE_BYTES >> 20):
            file.write(os.urandom(1 << 20))


@contextlib.contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder on tmpfs."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def growth(place: Path) -> None:
    """What add, a re-add, ls and audit cost at 10^3 to 10^5 records."""
    rows = []
    for records in GROWTH:
        folder = place / "grow"
        write_small(folder, records)
        with home(place / "lab") as made:
            made.run("init")
            words = ("add", str(folder), "--subject-pattern", "(P[0-9]+)")
            row = {"records": records, "add_s": round(made.timed(*words), 2)}
            row["again_s"] = round(made.timed(*words), 2)
            row["ls_s"] = round(made.timed("ls", sync=False), 2)
            for name, more in (("audit_rows", ()), ("audit_log", ("--log-only",))):
                report = json.loads(made.run("--json", "audit", *more))
                row[f"{name}_per_s"] = round(report["entries"] / report["seconds"])
        rows.append(row)
        shutil.rmtree(folder)
    wanted = {"audit_log_per_s": 50_000, "audit_rows_per_s": 10_000}
    append("main_job", {"case": "growth", "wanted": wanted, "growth": rows})


def main() -> None:
    """All of it, in a folder that is gone afterwards."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dvc", help="path of a dvc to compare with")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clb-") as folder:
        place = Path(folder)
        startup(place)
        add_small(place, options.dvc)
        add_large(place)
        materialise(place)
        growth(place)


if __name__ == "__main__":
    main()

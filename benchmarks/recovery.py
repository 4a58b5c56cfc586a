"""What a disaster costs: how long a save takes, what is lost, how long until the lab is back.

    python -m benchmarks.recovery [--quick] [--at FOLDER] [--kills N] [--megabytes N]

`one change`: 20,000 small files are in the backup, one is changed and added; the next `backup
run` is timed, the whole command. Wanted: less than 1 s.

`kills`: a lab of 1 GiB is watched (`backup run --watch`) while a process writes, one change
after the other, and notes when each was acknowledged. At a random moment everything is killed
(SIGKILL) and the lab's folder removed. RPO: from the last acknowledged change to the last that
is there after `restore`, by the writer's own notes. RTO: from the kill until a record was read
and a change written, `restore` with all its checks between. Wanted: less than 1 s and 30 s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.line import append
from benchmarks.shell import PATTERN, Shell, new_shell

_WRITER = """
import os, sys, time
from pathlib import Path
from cloister.app.config import load, surroundings
from cloister.app.platform import opened
from cloister.workflows.data import curate
with opened(load(surroundings(), Path(sys.argv[1])), os.getuid()) as found:
    for number in range(int(sys.argv[2]), 10**9):
        curate.tag(found.lab, "data1@1", f"t{number}")
        print(number, time.time(), flush=True)
"""


def one_change(at: Path | None, files: int, rounds: int) -> dict[str, object]:
    """Saves after one changed file of many."""
    with new_shell(at) as shell:
        shell("init")
        for number in range(files):
            folder = shell.work / f"data/P{number % 200:03d}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.txt").write_text(f"file {number}\n" * 10)
        add = ("add", "data", "--subject-pattern", "^(P[0-9]+)/")
        shell(*add)
        shell("backup", "init", "../second")
        first = shell("backup", "run").wall_s
        ran, sent = [], []
        for number in range(rounds):
            (shell.work / f"data/P007/{7 + 200 * number}.txt").write_text(f"changed {number}")
            shell(*add)
            done = shell("--json", "backup", "run")
            ran.append(done.wall_s)
            sent.append(done.value["bytes"])
    return {
        "files": files,
        "save_s": round(statistics.median(ran), 3),
        "sent_bytes": int(statistics.median(sent)),
        "first_save_s": round(first, 3),
        "wanted_s": 1.0,
        "raw": {"wall_s": ran, "bytes": sent},
    }


def kills(at: Path | None, megabytes: int, rounds: int) -> dict[str, object]:
    """Disasters at random moments, and the way back from each."""
    lost, back, restored, chance = [], [], [], random.Random(20)
    with new_shell(at) as shell:
        lab = shell.home / "cloister-lab"
        shell("init")
        _write_megabytes(shell.work / "work", megabytes)
        shell("add", "work", "--subject-pattern", PATTERN)
        record = shell.json("ls", "data1")[0]["record"]
        shell("backup", "init", "../second")
        shell("backup", "run")
        number = 0
        for _ in range(rounds):
            acknowledged, killed = _disaster(shell, lab, number, chance.uniform(0.5, 4.0))
            restored.append(_come_back(shell, lab, record))
            back.append(time.time() - killed)
            there = _newest_tag(lab)
            number = max(acknowledged) + 1
            last = acknowledged[number - 1]
            missing = last - acknowledged.get(there, min(acknowledged.values()))
            lost.append(0.0 if there == number - 1 else missing)
            print(f"lost {lost[-1]:.3f} s, back in {back[-1]:.1f} s", file=sys.stderr)
    return {
        "megabytes": megabytes,
        "kills": rounds,
        "rpo_s_median": round(statistics.median(lost), 3),
        "rpo_s_worst": round(max(lost), 3),
        "rto_s_median": round(statistics.median(back), 2),
        "rto_s_worst": round(max(back), 2),
        "wanted_rpo_s": 1.0,
        "wanted_rto_s": 30.0,
        "raw": {"lost_s": lost, "back_s": back, "restore_s": restored},
    }


def _write_megabytes(folder: Path, megabytes: int) -> None:
    """Half in files of 256 KiB, half in such of 4 MiB, which cannot be compressed."""
    small, large = 256 << 10, 4 << 20
    for number in range(megabytes * 2):
        place = folder / f"P{number % 50:03d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"s{number}").write_bytes(os.urandom(small))
    for number in range(megabytes // 8):
        (folder / f"P{number % 50:03d}/l{number}").write_bytes(os.urandom(large))


def _disaster(
    shell: Shell, lab: Path, first: int, after_s: float
) -> tuple[dict[int, float], float]:
    """Number and time of every change that was acknowledged; and when it struck."""
    (runtime,) = (shell.home / "run/cloister").iterdir()
    for old in runtime.glob("backup-*.json"):  # of a watch that was killed
        old.unlink()
    watch = shell.start("backup", "run", "--watch")
    while not list(runtime.glob("backup-*.json")):
        assert watch.poll() is None
        time.sleep(0.05)
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(lab), str(first)],
        env=shell.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    said = [writer.stdout.readline()]
    time.sleep(after_s)
    keyd = shell.key_service()
    killed = time.time()
    for pid in (writer.pid, watch.pid, keyd):
        os.kill(pid, signal.SIGKILL)
    said += writer.stdout.readlines()
    writer.wait()
    watch.wait()
    shutil.rmtree(lab)
    notes = (line.split() for line in said if line.endswith("\n") and line.count(" ") == 1)
    return {int(number): float(moment) for number, moment in notes}, killed


def _come_back(shell: Shell, lab: Path, record: str) -> float:
    took = shell("restore", "../second", "--to", lab).wall_s
    shell("get", record, "-o", f"back-{time.time()}")
    shell("dataset", "tag", "data1@1", "back-" + str(time.time_ns()))
    return took


def _newest_tag(lab: Path) -> int:
    with sqlite3.connect(lab / "lab.db") as database:
        rows = database.execute(
            "SELECT leaf FROM ledger_leaf WHERE instr(leaf, '\"version.tagged\"')"
        ).fetchall()
    tags = [json.loads(leaf)["body"]["tag"] for (leaf,) in rows]
    return max((int(tag[1:]) for tag in tags if tag[1:].isdigit()), default=-1)


def main() -> None:
    """Measures and adds one line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2,000 files, 64 MB, three kills")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--megabytes", type=int, default=1024)
    options = parser.parse_args()
    small = options.quick
    files, rounds = (2_000, 3) if small else (20_000, 7)
    append("recovery", {"case": "one change", **one_change(options.at, files, rounds)})
    size, strikes = (64, 3) if small else (options.megabytes, options.kills)
    append("recovery", {"case": "kills", **kills(options.at, size, strikes)})


if __name__ == "__main__":
    main()

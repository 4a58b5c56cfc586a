"""A lab of its own, driven through the real command line as a user would."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloister.keys.client import KeyClient

PATTERN = "^(P[0-9]+)/"
"""Whose a file of `write_files` is."""


@dataclass(frozen=True)
class Ran:
    """One command that ended well."""

    wall_s: float
    cpu_s: float
    """Of the command and what it waited for; the key service runs beside it."""
    output: str

    @property
    def value(self) -> Any:
        """What it answered with --json."""
        return json.loads(self.output)


@dataclass(frozen=True)
class Shell:
    """A user with an empty home."""

    home: Path
    work: Path

    @property
    def environment(self) -> dict[str, str]:
        """No variable of the caller's own lab gets in."""
        return {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "CLOISTER_PASSPHRASE_FILE": str(self.home / "passphrase"),
        }

    def start(self, *words: object) -> subprocess.Popen[str]:
        """The command, running."""
        return subprocess.Popen(
            [sys.executable, "-m", "cloister", *map(str, words)],
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: object) -> Ran:
        """The command, timed from its start to its end; anything but success raises."""
        return timed(lambda: self.start(*words))

    def json(self, *words: object) -> Any:
        """What the command answers with --json."""
        return self("--json", *words).value

    def key_service(self) -> int:
        """The process id of the key service."""
        (socket,) = self.home.glob("run/cloister/*/keyd.sock")
        with KeyClient(socket) as client:
            return client.status().pid


@contextmanager
def new_shell(at: Path | None = None) -> Iterator[Shell]:
    """An empty home on the disk that holds ``at``; all of it is gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="cl-", dir=at))
    shell = Shell(place / "home", place / "work")
    (shell.home / "run").mkdir(parents=True, mode=0o700)
    (shell.home / "passphrase").write_text("correct horse battery staple\n")
    shell.work.mkdir()
    try:
        yield shell
    finally:
        stop = shell.start("lock", "--stop")
        stop.communicate()
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def new_lab(at: Path | None = None) -> Iterator[Shell]:
    """The same with an empty lab, its bytes at rest."""
    with new_shell(at) as shell:
        shell("init")
        os.sync()
        yield shell


def answered(process: subprocess.Popen[str]) -> Any:
    """What a service started with --json says once it answers: the one value that it prints."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line == "}\n":
            return json.loads(text)
    raise RuntimeError(f"it did not start: {text} {process.communicate()[1]}")


def timed(start: Callable[[], subprocess.Popen[str]]) -> Ran:
    """A process from its start to its end, with the processor time the kernel counted."""
    before, began = os.times(), time.perf_counter()
    process = start()
    output, errors = process.communicate()
    wall_s, after = time.perf_counter() - began, os.times()
    if process.returncode:
        raise RuntimeError(f"exit status {process.returncode}: {errors}")
    user_s = after.children_user - before.children_user
    system_s = after.children_system - before.children_system
    return Ran(wall_s, user_s + system_s, output)


def command(*words: object, **options: Any) -> Ran:
    """Any other program, timed the same way."""
    return timed(
        lambda: subprocess.Popen(
            list(map(str, words)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
    )


def seconds(work: Callable[[], object]) -> float:
    """How long it took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def milliseconds(work: Callable[[], object], times: int) -> dict[str, float]:
    """The median and the 95th percentile of one call."""
    taken = sorted(seconds(work) * 1000 for _ in range(times))
    return {
        "p50": round(statistics.median(taken), 2),
        "p95": round(taken[int(0.95 * (times - 1))], 2),
    }


def ratio(peer: Sequence[float], ours: Sequence[float]) -> float:
    """How many times as long the peer took: the median over the turns."""
    pairs = zip(peer, ours, strict=True)
    return round(statistics.median(theirs / mine for theirs, mine in pairs), 2)


def processor_s(pid: int) -> float:
    """What a running process, all its threads, has used so far, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3)


def memory_mb(pid: int) -> dict[str, float]:
    """Resident (rss) and proportional (pss) memory of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
    return {name.lower(): round(int(found[name]) * 1024 / 1e6, 1) for name in ("Rss", "Pss")}


def write_files(folder: Path, count: int, size: int, each: int = 100) -> Path:
    """``count`` files of random bytes, ``each`` of them to a subject: ``P000/0.bin`` ..."""
    for number in range(count):
        subject, place = divmod(number, each)
        path = folder / f"P{subject:04}" / f"{place}.bin"
        if place == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(secrets.token_bytes(size))
    return folder

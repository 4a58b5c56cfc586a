"""Killing what belongs to one shell: commands and its key service, by SIGKILL."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell


@dataclass(frozen=True)
class Attempt:
    """A command that somebody may have killed."""

    status: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL

    @property
    def acknowledged(self) -> bool:
        """Whether it said that all is done."""
        return self.status == 0


def killed_after(delay_s: float, shell: Shell, *words: str, typed: str = "") -> Attempt:
    """The command, SIGKILLed after that time unless it was done before."""
    process = shell.start(*words)
    return _finish(process, delay_s, typed, process.kill)


def with_keyd_killed_after(
    delay_s: float, shell: Shell, *words: str, typed: str = ""
) -> Attempt:
    """The command, whose key service is SIGKILLed after that time."""
    process = shell.start(*words)
    return _finish(process, delay_s, typed, lambda: kill_keyd(shell))


def _finish(
    process: subprocess.Popen[str], delay_s: float, typed: str, kill: Callable[[], None]
) -> Attempt:
    try:
        out, err = process.communicate(typed, timeout=delay_s)
    except subprocess.TimeoutExpired:
        kill()
        out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return Attempt(process.returncode, out, err)


def keyds(shell: Shell) -> list[int]:
    """The key services that run for this shell's home."""
    mark = os.fsencode(f"--keys={shell.home}/")
    return [pid for pid, command in _processes() if mark in command]


def processes_naming(text: str) -> list[int]:
    """Whatever runs with ``text`` in its command line, ourselves left out."""
    mark = os.fsencode(text)
    return [pid for pid, command in _processes() if mark in command and pid != os.getpid()]


def kill_keyd(shell: Shell) -> None:
    """Ends the key service as a crash would; returns when it is gone."""
    doomed = set(keyds(shell))
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: doomed.isdisjoint(keyds(shell)))  # a command may start another


def wait_until(holds: Callable[[], object], timeout_s: float = 120.0) -> None:
    """Returns as soon as ``holds`` does."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.001)


def waiting_for(shell: Shell, sql: str) -> Callable[[], bool]:
    """Whether the lab's database has a row for ``sql`` by now; for `wait_until`."""

    def holds() -> bool:
        return bool(shell.sql(sql))

    return holds


def _processes() -> Iterator[tuple[int, bytes]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes()
                if command:  # a zombie has none
                    yield int(folder.name), command


def keys_folder(shell: Shell) -> Path:
    """Where the one lab of this shell keeps its keys."""
    (found,) = (shell.home / ".local/share/cloister").iterdir()
    return found


def runtime_folder(shell: Shell) -> Path:
    """Where the one lab of this shell has its socket, lease and locks."""
    (found,) = (shell.home / "run/cloister").iterdir()
    return found


def lab_folder(shell: Shell) -> Path:
    """The lab that `cloister init` makes when nothing else is said."""
    return shell.home / "cloister-lab"


class Pace:
    """Moments spread over the whole of a command, however fast the machine is today.

    The first is left alone, and tells how long it takes.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._typical_s = 0.0
        self.kills = 0
        self.finished = 0

    def strike(self, how: Strike, shell: Shell, *words: str, typed: str = "") -> Attempt:
        """The command with a kill somewhere in it, unless it is faster than ever."""
        delay = self._typical_s * self._random.uniform(0.3, 1.0) or 240.0
        started = time.monotonic()
        attempt = how(delay, shell, *words, typed=typed)
        took = time.monotonic() - started
        if attempt.acknowledged:
            self.finished += 1
            self._typical_s = 0.6 * (self._typical_s or took) + 0.4 * took
        else:
            self.kills += 1
            self._typical_s *= 1.02
        return attempt


Strike = Callable[..., Attempt]
"""`killed_after` or `with_keyd_killed_after`."""

FEW_AND_MANY = [
    pytest.param(5, id="5 kills", marks=pytest.mark.timeout(1200)),
    pytest.param(50, id="50 kills", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
]


def recover(shell: Shell, attempt: Attempt) -> list[dict[str, Any]]:
    """Goes on as the user is told to, with `cloister unlock` if need be; gives `ls`."""
    probe = shell("--json", "ls", status=None)
    if probe.returncode == 4:
        error = json.loads(probe.stderr)["error"]
        assert error["code"] == "E301", (attempt, error)
        assert "cloister unlock" in error["hint"]
        shell("unlock")
        probe = shell("--json", "ls", status=None)
    assert probe.returncode == 0, (attempt, probe.stderr)
    assert len(keyds(shell)) == 1
    datasets: list[dict[str, Any]] = json.loads(probe.stdout)
    return datasets


def whole(shell: Shell) -> bool:
    """Whether the audit finds everything as it was signed."""
    return bool(shell.json("audit", status=None)["whole"])

"""Benches: where the tests put jobs to work, under this user and under another one."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cloister
from cloister.fence import interpreter_paths, job_environment
from tests.fence import driver

NOBODY = 65534
SYSTEM_PYTHON = Path("/usr/bin/python3")


@dataclass(frozen=True)
class Outcome:
    """What one job did, and what was said of it."""

    facts: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.facts[name]

    @property
    def paths(self) -> dict[str, str]:
        """Changed path -> kind."""
        return {path: kind for path, kind, _, _ in self.facts["changes"]}


@dataclass
class Bench:
    """A working folder, and jobs in it."""

    folder: Path
    user: int | None = None
    """None is the user of the tests."""
    prefix: Sequence[str] = ()
    """What the runner is started through, in a process of its own."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def workdir(self) -> Path:
        """The working folder."""
        return self.folder / "project"

    def write(self, *names: str, into: Path | None = None) -> None:
        """Files of this bench's user, each with ``old`` and its name."""
        for name in names:
            path = (into or self.workdir) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"old {name}")
        for path in self.folder.rglob("*"):
            os.chown(path, self.user or -1, self.user or -1, follow_symlinks=False)

    @property
    def python(self) -> str:
        """An interpreter that this user may run."""
        return str(SYSTEM_PYTHON) if self.user is not None else sys.executable

    def order(self, *argv: str, **fields: Any) -> driver.Order:
        """The JSON for one job."""
        path = os.environ["PATH"]
        reads = [*interpreter_paths(self.python, path), *fields.pop("reads", ())]
        env = job_environment({"PATH": "/usr/bin:/bin"}, dict(self.environment))
        given = {"env": env | fields.pop("env", {}), "reads": [str(r) for r in reads]}
        return {"argv": argv, "workdir": str(self.workdir), **given, **fields}

    def run(self, *argv: str, **fields: Any) -> Outcome:
        """One job; ``fields`` are those of FenceSpec."""
        order = self.order(*argv, **fields)
        if self.user is None and not self.prefix:
            return Outcome(json.loads(json.dumps(driver.drive(order))))
        return Outcome(json.loads(self.start(order)))

    def code(self, code: str, *arguments: str, **fields: Any) -> Outcome:
        """One job that is a piece of Python."""
        return self.run(self.python, "-I", "-S", "-c", code, *arguments, **fields)

    def start(self, order: driver.Order) -> str:
        """A runner in a process of its own; what it printed."""
        done = self.popen()
        out, _ = done.communicate(json.dumps(order), timeout=120)
        assert done.returncode == 0
        return out

    def popen(self) -> subprocess.Popen[str]:
        """A runner that waits for its order on standard input."""
        identity = {"user": self.user, "group": self.user, "extra_groups": []}
        return subprocess.Popen(
            [*self.prefix, self.python, str(readable_source() / "tests/fence/driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"PYTHONPATH": str(readable_source()), "PATH": os.environ["PATH"]},
            **(identity if self.user is not None else {}),  # type: ignore[arg-type]
        )


@functools.cache
def readable_source() -> Path:
    """A copy of fence, core and driver that every user can read, gone with this process."""
    folder = tempfile.TemporaryDirectory(prefix="fence-source-", ignore_cleanup_errors=True)
    _KEPT.append(folder)
    root, here = Path(folder.name), Path(__file__).parent
    source = Path(cloister.__file__).parent
    for package in ("core", "fence"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source / package, root / "cloister" / package, ignore=ignored)
    shutil.copy(source / "__init__.py", root / "cloister")
    (root / "tests/fence").mkdir(parents=True)
    for name in ("driver.py", "terminal_driver.py", "forbid.py"):
        shutil.copy(here / name, root / "tests/fence")
    root.chmod(0o755)
    return root


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def on_host_without(bench: Bench, calls: str) -> Bench:
    """The same bench on a host where these calls fail: ``name=ERRNO,...``."""
    prefix = (bench.python, str(readable_source() / "tests/fence/forbid.py"), calls)
    return replace(bench, prefix=prefix)


def weaker_python(folder: Path, calls: str) -> Path:
    """Our own interpreter as a host has it where these calls fail: ``name=ERRNO,...``."""
    forbid = Path(__file__).resolve().parent / "forbid.py"
    made = folder / "python"
    made.write_text(
        f'#!/bin/sh\nexec {sys.executable} {forbid} {calls} {sys.executable} "$@"\n'
    )
    made.chmod(0o755)
    return made


def others() -> list[int]:
    """Users besides our own that a test can become."""
    new_enough = SYSTEM_PYTHON.exists() and _version(SYSTEM_PYTHON) >= (3, 11)
    return [NOBODY] if os.geteuid() == 0 and new_enough else []


def _version(python: Path) -> tuple[int, ...]:
    code = "import sys; print(*sys.version_info[:2])"
    out = subprocess.run([python, "-I", "-c", code], capture_output=True, check=True).stdout
    return tuple(int(part) for part in out.split())


def new_bench(folder: Path, user: int | None) -> Bench:
    """An empty bench that its user owns, below a folder that all may pass."""
    bench = Bench(folder, user)
    bench.workdir.mkdir(parents=True)
    folder.chmod(0o755)
    if user is not None:
        os.chown(bench.workdir, user, user)
    return bench

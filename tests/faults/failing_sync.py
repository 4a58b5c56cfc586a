"""Disks that fail a sync, for a real process: the environment that makes it so."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("fsync_fails.c")


@dataclass(frozen=True, slots=True)
class FailingSync:
    """Which syncs of a child process fail; give `environment` to `subprocess`.

    Without ``after`` none fails: with ``log`` that shows the order of things.
    """

    prefix: Path
    after: int | None = None
    """That many syncs below ``prefix`` succeed first."""
    times: int | None = None
    """How many fail then; None: all that follow."""
    error: int | None = None
    """The errno; None: EIO."""
    log: Path | None = None
    """Gets a line for every sync, link, rename and unlink below ``prefix``."""

    def environment(self) -> dict[str, str]:
        """This process's environment with the fault preloaded."""
        settings = {
            "LD_PRELOAD": str(_library()),
            "FAULT_PREFIX": self.prefix,
            "FAULT_AFTER": self.after,
            "FAULT_TIMES": self.times,
            "FAULT_ERRNO": self.error,
            "FAULT_LOG": self.log,
        }
        return os.environ | {k: str(v) for k, v in settings.items() if v is not None}


@functools.cache
def _library() -> Path:
    """The preloaded library, compiled once per test process."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: failing syncs cannot be tested")
    folder = tempfile.mkdtemp(prefix="cloister-faults-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = Path(folder) / "fsync_fails.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
    subprocess.run([compiler, *flags, "-o", library, _SOURCE, "-ldl"], check=True)
    return library

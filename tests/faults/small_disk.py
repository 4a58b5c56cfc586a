"""A file system of a few megabytes, to run full: as root, or in a user namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A small tmpfs. Only commands started through `run` are sure to see it."""

    path: Path
    _enter: tuple[str, ...]

    def run(self, argv: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
        """Runs a command that sees the disk; gives its output and exit status."""
        return subprocess.run(
            [*self._enter, *map(str, argv)],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            **options,
        )

    def fill(self, leave_bytes: int) -> None:
        """Takes the room that is left, but for so much, into a file ``filling``."""
        script = (
            "import os, sys; disk, leave = sys.argv[1:]; room = os.statvfs(disk);"
            "file = os.open(disk + '/filling', os.O_WRONLY | os.O_CREAT);"
            "os.posix_fallocate(file, 0, room.f_bavail * room.f_frsize - int(leave))"
        )
        done = self.run([sys.executable, "-c", script, str(self.path), str(leave_bytes)])
        assert done.returncode == 0, done.stderr

    def drain(self) -> None:
        """Gives the room back that `fill` took."""
        assert self.run(["rm", "-f", str(self.path / "filling")]).returncode == 0


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A tmpfs of that size mounted at ``path``, an existing folder, until the block ends."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(path)]
    if os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0:
        try:
            yield SmallDisk(path, ())
        finally:
            subprocess.run(["umount", "-l", path], check=True)
        return
    holder = subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", '"$@" && echo mounted && exec cat', "sh", *mount],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        if not holder.stdout or holder.stdout.readline() != b"mounted\n":
            pytest.skip("no root and no user namespaces: a full disk cannot be tested")
        enter = ["nsenter", "--preserve-credentials", "-U", "-m", "-t", str(holder.pid)]
        yield SmallDisk(path, (*enter, "--"))
    finally:
        holder.kill()
        holder.communicate()

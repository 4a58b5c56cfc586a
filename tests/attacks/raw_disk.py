"""A file system in a file, and every byte of it as a thief would read them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class RawDisk:
    """An ext4 image and where it is mounted."""

    image: Path
    mount: Path

    def content(self) -> bytes:
        """The whole image, after all that was written has reached it."""
        subprocess.run(["sync", "-f", str(self.mount)], check=True)
        find = ["losetup", "-j", str(self.image), "-O", "NAME", "-n"]
        device = subprocess.run(find, capture_output=True, check=True).stdout.strip()
        subprocess.run(["blockdev", "--flushbufs", os.fsdecode(device)], check=True)
        return self.image.read_bytes()

    def carved(self, magic: bytes, size: int) -> Iterator[bytes]:
        """What lies wherever a record may begin, aligned or not, deleted or not."""
        content = self.content()
        at = content.find(magic)
        while at >= 0:
            yield content[at : at + size]
            at = content.find(magic, at + 1)


@contextmanager
def raw_disk(folder: Path, megabytes: int) -> Iterator[RawDisk]:
    """A fresh one in ``folder``, mounted until the block ends; skips where that cannot be."""
    disk = RawDisk(folder / "disk.img", folder / "disk")
    disk.mount.mkdir()
    with disk.image.open("wb") as file:
        file.truncate(megabytes << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", disk.image], check=True)
        mount = ["mount", "-o", "loop", disk.image, disk.mount]
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("raw disk image: this machine does not mount loop devices")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk.mount], check=True)

"""A receipt claims no more than the file system under the records can do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, KeyMissing
from cloister.keys.providers import open_provider
from cloister.keys.providers._medium import (
    file_system,
    overwrite,
    overwrites_in_place,
    replace,
)
from cloister.keys.providers.file import FileProvider
from cloister.testing.keyd import NO_EFFORT


@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs", "ext3"])
def test_file_systems_that_write_in_place(kind: str) -> None:
    assert overwrites_in_place(kind)


@pytest.mark.parametrize(
    "kind", ["btrfs", "zfs", "f2fs", "overlay", "unknown", "ext4 with data=journal"]
)
def test_file_systems_that_may_keep_the_old_block(kind: str) -> None:
    assert not overwrites_in_place(kind)


@pytest.mark.skipif(os.geteuid() != 0, reason="file systems: mounting needs root")
@pytest.mark.parametrize(
    ("options", "kind", "level"),
    [("data=ordered", "ext4", "L1"), ("data=journal", "ext4 with data=journal", "L0")],
)
def test_receipt_names_the_level_this_mount_allows(
    tmp_path: Path, options: str, kind: str, level: str
) -> None:
    image, mount = tmp_path / "disk.img", tmp_path / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    done = subprocess.run(["mount", "-o", f"loop,{options}", image, mount], check=False)
    if done.returncode:
        pytest.skip("raw disk image: this machine does not mount loop devices")
    try:
        provider = FileProvider(mount, NO_EFFORT)
        provider.initialise(b"passphrase", b"twenty random bytes!")
        provider.create(1)
        assert file_system(mount / "epoch.record") == kind
        receipt = provider.destroy(1)
        assert receipt.level == level
        assert kind in receipt.text
    finally:
        subprocess.run(["umount", mount], check=True)


def test_overwriting_keeps_the_file_and_its_size(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_bytes(b"abcdefgh")
    inode = path.stat().st_ino
    overwrite(path, b"XY", 3)
    assert path.read_bytes() == b"abcXYfgh"
    assert path.stat().st_ino == inode


def test_replacing_leaves_nothing_in_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_bytes(b"the old secret")
    with path.open("rb") as old:
        replace(path, b"the new one")
        assert path.read_bytes() == b"the new one"
        assert b"old" not in old.read()


def test_missing_record_is_not_made_by_overwriting(tmp_path: Path) -> None:
    for write in (
        lambda: overwrite(tmp_path / "no", b"x", 0),
        lambda: replace(tmp_path / "no", b""),
    ):
        with pytest.raises(KeyMissing):
            write()
    assert list(tmp_path.iterdir()) == []


def test_providers_are_chosen_by_scheme(tmp_path: Path) -> None:
    assert open_provider("file:", tmp_path).health().provider == "file:"
    with pytest.raises(BadInput):
        open_provider("vault:", tmp_path)

"""A full disk refuses what needs room and changes nothing; with room again, all is well."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.core.errors import CopyUnavailable, NoSpace
from cloister.core.ids import SubjectId
from cloister.core.values import KeyRef
from cloister.keys.service.vault import Vault
from cloister.keys.values import GrantRequest
from tests.keys.service.conftest import TurnedClock, open_vault

SUBJECTS = 2000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("full disk: mounting a tmpfs needs root")
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mount], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)


def filled(mount: Path) -> Path:
    """Leaves no room at all."""
    ballast = mount / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return ballast


def test_erasure_without_room_changes_nothing_and_can_be_repeated(
    small: Path, clock: TurnedClock
) -> None:
    (small / "keys").mkdir()
    vault = open_vault(small / "keys", clock)
    with vault.keyring() as keyring:
        pairs = [("ward", str(n)) for n in range(SUBJECTS)]
        names = [SubjectId(str(name)) for name in keyring.subjects(pairs, create=True)]
        grants = [g.key for g in keyring.grants([GrantRequest(name) for name in names])]
    refs = [KeyRef(grant.owner, grant.seal_id, grant.wrap) for grant in grants]
    keys: list[bytes | None] = [grant.object_key for grant in grants]

    ballast = filled(small)
    with pytest.raises(NoSpace):
        vault.erase(names[:1])
    with pytest.raises(NoSpace):
        enrol(vault)
    assert opened(vault, refs) == keys  # still open, still whole
    vault.close()

    ballast.unlink()
    vault = open_vault(small / "keys", clock)
    assert opened(vault, refs) == keys
    assert vault.erase(names[:1]).destroyed == 1
    assert opened(vault, refs) == [None, *keys[1:]]
    assert vault._provider.epochs() == [vault.epoch]
    vault.close()


def enrol(vault: Vault) -> None:
    with vault.keyring() as keyring:
        keyring.subjects([("ward", f"new {n}") for n in range(SUBJECTS)], create=True)


def opened(vault: Vault, refs: list[KeyRef]) -> list[bytes | None]:
    with vault.keyring() as keyring:
        return keyring.open(refs)


def test_a_full_second_copy_refuses_new_keys_and_what_is_here_stays_whole(
    small: Path, tmp_path: Path, clock: TurnedClock
) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    vault = open_vault(folder, clock)
    with vault.copies() as copies:
        copies.keep(small / "second")

    def enrol(ward: str) -> list[SubjectId]:
        with vault.keyring() as keyring:
            pairs = [(ward, str(n)) for n in range(100)]
            return [SubjectId(str(name)) for name in keyring.subjects(pairs, create=True)]

    given = enrol("first")
    ballast = filled(small)
    refused = 0
    for number in range(40):
        try:
            given += enrol(f"ward {number}")
        except CopyUnavailable:
            refused += 1
    assert refused
    assert vault.store.live_owners() == len(given) + 1  # the service's own
    with pytest.raises(CopyUnavailable):
        vault.erase(given[:1])
    assert vault.copy_status().state == "unreachable"
    ballast.unlink()
    assert len(enrol("last")) == 100
    assert vault.copy_status().state == "kept"
    assert vault.erase(given[:1]).copy == "cleared"
    vault.close()

"""SIGKILL while keys are given and destroyed: what was acknowledged is on the second copy."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from cloister.core.errors import KeysUnavailable
from cloister.core.ids import RunId, SubjectId
from cloister.keys import KeyClient, launch
from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.seam import Credential
from cloister.keys.service.keystore import KeyStore
from cloister.testing.keyd import PASSPHRASE, make_keys

KILLS = 50


class Asking:
    """Enrols, makes runs and erases as fast as it is answered, and notes what it was told."""

    def __init__(self, client: KeyClient) -> None:
        self.client = client
        self.given: set[str] = set()
        self.condemned: set[str] = set()
        self.erased: set[str] = set()

    def __call__(self) -> None:
        with contextlib.suppress(KeysUnavailable):
            for number in range(1_000_000):
                pairs = [("ward", secrets.token_hex(8)) for _ in range(3)]
                found = self.client.subjects(pairs, create=True)
                self.given |= {str(name) for name in found}
                self.given.add(self.client.new_owner(RunId))
                if number % 3 == 2:
                    self.condemned.add(str(found[0]))
                    self.client.erase([SubjectId(str(found[0]))])
                    self.erased.add(str(found[0]))


def owners(folder: Path, look: Path) -> set[str]:
    """The live owners of a keys folder as a thief of the disk would find it."""
    shutil.rmtree(look, ignore_errors=True)
    shutil.copytree(folder, look)
    store = KeyStore.open(look / "keystore.db")
    try:
        return {row.id for row in store.owners_after("", 1_000_000)}
    finally:
        store.close()


def epochs(folder: Path) -> list[int]:
    provider = FileProvider(folder)
    provider.unlock(Credential("passphrase", PASSPHRASE.encode()))
    return provider.epochs()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_between_the_two_writes_no_acknowledged_key_is_missing_from_the_copy(
    keys_folder: Path, socket_path: Path, tmp_path: Path
) -> None:
    make_keys(keys_folder)
    copy, look = tmp_path / "second", tmp_path / "look"
    client = launch.unlock(launch.start_keyd(keys_folder, socket_path), PASSPHRASE)
    client.keep_copy(copy)
    total, ahead = 0, 0
    for _ in range(KILLS):
        asking = Asking(client)
        pid = client.status().pid
        thread = threading.Thread(target=asking)
        thread.start()
        time.sleep(0.02 + 0.2 * secrets.randbelow(10_000) / 10_000)
        os.kill(pid, signal.SIGKILL)
        thread.join()
        client.close()

        there, here = owners(copy, look), owners(keys_folder, look)
        assert asking.given - asking.condemned <= there
        assert not asking.erased & there
        ahead += there != here
        total += len(asking.given)

        client = launch.unlock(launch.start_keyd(keys_folder, socket_path), PASSPHRASE)
        status = client.status()
        assert status.copy.state == "kept", status.copy.why
        assert epochs(keys_folder) == epochs(copy) == [status.epoch]
        assert owners(copy, look) == owners(keys_folder, look)
        assert not asking.erased & owners(copy, look)
    print(f"{KILLS} kills, {total} keys acknowledged, the two apart after {ahead} kills")
    os.kill(client.status().pid, signal.SIGKILL)
    client.close()

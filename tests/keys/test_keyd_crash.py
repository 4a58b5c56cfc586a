"""SIGKILL in the middle of erasures, again and again: whole or not at all, nobody else lost."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
import time
from pathlib import Path

from cloister.core.errors import KeysUnavailable
from cloister.core.ids import SubjectId
from cloister.core.values import KeyRef
from cloister.keys import KeyClient, launch
from cloister.keys.journal import check_journal
from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.seam import Credential
from cloister.keys.service.keystore import KeyStore
from cloister.keys.values import ErasureReceipt, GrantRequest, JournalEntry
from cloister.testing.keyd import PASSPHRASE, make_keys

KILLS = 50
SUBJECTS = 600  # enough that an erasure takes as long as the spread of the kills


class Victim:
    """A key service that is asked to erase and killed meanwhile."""

    def __init__(self, folder: Path, socket_path: Path) -> None:
        self.folder = folder
        self.client = launch.start_keyd(folder, socket_path)
        launch.unlock(self.client, PASSPHRASE)

    def erase_and_kill(self, owner: SubjectId, after_s: float) -> ErasureReceipt | None:
        """The receipt, if the erasure was acknowledged before the kill."""
        pid = self.client.status().pid
        receipts: list[ErasureReceipt] = []

        def erase() -> None:
            with contextlib.suppress(KeysUnavailable):
                receipts.append(self.client.erase([owner]))

        eraser = threading.Thread(target=erase)
        eraser.start()
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
        eraser.join()
        return receipts[0] if receipts else None

    def restart(self) -> None:
        self.client.close()
        self.client = launch.start_keyd(self.folder, self.client.socket_path)
        launch.unlock(self.client, PASSPHRASE)


def noted(client: KeyClient, owner: SubjectId) -> list[str]:
    """What the journal, whose chain is whole, says of this owner's erasure."""
    entries: list[JournalEntry] = []
    while part := client.journal(len(entries), 1000):
        entries += part
    check_journal(entries)
    return [
        entry.outcome for entry in entries if entry.verb == "erase" and owner in entry.owners
    ]


def epochs(folder: Path) -> list[int]:
    provider = FileProvider(folder)
    provider.unlock(Credential("passphrase", PASSPHRASE.encode()))
    return provider.epochs()


def test_killed_in_any_erasure_it_comes_back_with_every_survivor(
    keys_folder: Path, socket_path: Path
) -> None:
    make_keys(keys_folder)
    victim = Victim(keys_folder, socket_path)
    pairs = [("ward", str(n)) for n in range(SUBJECTS)]
    names = [SubjectId(str(name)) for name in victim.client.subjects(pairs, create=True)]
    grants = [g.key for g in victim.client.grants([GrantRequest(name) for name in names])]
    refs = [KeyRef(grant.owner, grant.seal_id, grant.wrap) for grant in grants]
    expected: list[bytes | None] = [grant.object_key for grant in grants]

    began = time.monotonic()
    victim.client.erase([names[-1]])
    expected[-1] = None
    takes_s = time.monotonic() - began
    acknowledged = unfinished = 0
    for n in range(KILLS):
        after_s = takes_s * 1.3 * secrets.randbelow(10_000) / 10_000
        receipt = victim.erase_and_kill(names[n], after_s)
        victim.restart()
        [erased] = [victim.client.open([refs[n]])[0] is None]
        assert erased or receipt is None, "an acknowledged erasure was undone"
        assert epochs(keys_folder) == [victim.client.status().epoch]
        if receipt is not None:
            assert noted(victim.client, names[n]) == ["begun", "ok"]
        acknowledged += receipt is not None
        unfinished += not erased
        if erased:
            expected[n] = None
        assert victim.client.open(refs) == expected, f"kill {n} after {after_s:.4f} s"
    print(f"{acknowledged} acknowledged, {unfinished} never begun, {KILLS} kills")

    victim.client.erase(names[:KILLS])
    assert victim.client.open(refs[:KILLS]) == [None] * KILLS
    os.kill(victim.client.status().pid, signal.SIGKILL)
    victim.client.close()
    KeyStore.open(keys_folder / "keystore.db").close()


def test_killed_while_making_keys_it_makes_them_at_the_next_try(
    keys_folder: Path, socket_path: Path
) -> None:
    from cloister.core.ids import LabId

    lab = LabId.new(secrets.token_bytes)
    for n in range(4):
        with launch.start_keyd(keys_folder, socket_path) as client:
            assert client.status().state == "empty"
            pid = client.status().pid
            creating = threading.Thread(target=tried, args=(client, lab))
            creating.start()
            time.sleep(0.05 + 0.12 * n)
            os.kill(pid, signal.SIGKILL)
            creating.join()
            if client.lease_held is not None:
                return  # made before the kill: nothing left to try
    with launch.start_keyd(keys_folder, socket_path) as client:
        client.create(lab, PASSPHRASE)
        os.kill(client.status().pid, signal.SIGKILL)


def tried(client: KeyClient, lab: str) -> None:
    with contextlib.suppress(KeysUnavailable):
        client.create(lab, PASSPHRASE)

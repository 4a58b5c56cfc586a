"""The second copy of the keys: an erasure reaches it, and it is never the weaker place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloister.core.clock import SystemClock
from cloister.core.ids import SubjectId
from cloister.keys.providers.file import FileProvider, Slot
from cloister.keys.providers.passphrase import RootRecord
from cloister.keys.providers.seam import Credential
from cloister.keys.service.keystore import KeyStore
from cloister.keys.service.rows import EpochSealer
from cloister.keys.service.vault import Vault
from cloister.testing.keyd import NO_EFFORT, PASSPHRASE, make_keys
from tests.attacks.raw_disk import RawDisk, raw_disk
from tests.conftest import Shell

Erase = Callable[[Vault, Path, SubjectId], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[RawDisk]:
    """The disk of the second copy."""
    with raw_disk(tmp_path, 24) as made:
        yield made


def at_once(vault: Vault, folder: Path, name: SubjectId) -> None:
    vault.erase([name])


def while_away(vault: Vault, folder: Path, name: SubjectId) -> None:
    with vault.copies() as copies:
        copies.suspend()
        vault.erase([name])
        assert copies.keep(folder).cleared == (1,)


@pytest.mark.parametrize("erase", [at_once, while_away])
def test_raw_disk_of_the_second_copy_after_an_erasure_holds_no_way_back(
    disk: RawDisk, tmp_path: Path, erase: Erase
) -> None:
    keys, second = tmp_path / "keys", disk.mount / "second"
    make_keys(keys)
    vault = Vault(keys, FileProvider(keys, NO_EFFORT), SystemClock())
    vault.unlock(Credential("passphrase", PASSPHRASE.encode()))
    with vault.copies() as copies:
        copies.keep(second)
    with vault.keyring() as keyring:
        pairs = [("ward", str(n)) for n in range(50)]
        names = [SubjectId(str(name)) for name in keyring.subjects(pairs, create=True)]
    rows = vault.store.owners(names)
    record = Slot.unpack((second / "epoch.record").read_bytes()[:4096])
    assert record is not None
    assert record.wrap in disk.content()  # the attack works before the erasure

    erase(vault, second, names[0])
    vault.close()
    assert record.wrap not in disk.content()
    roots = {
        bytes(RootRecord.unpack(found).open_with_passphrase(PASSPHRASE.encode()))
        for found in disk.carved(b"CLRT\x01", 512)
    }
    [root] = roots
    slots = [slot for found in disk.carved(b"CLEP\x01", 4096) if (slot := Slot.unpack(found))]
    [kek] = {bytes(slot.open(bytearray(root))) for slot in slots}
    for epoch in (1, 2):
        sealer = EpochSealer(epoch, bytearray(kek))
        assert not any(sealer.opens(name, row.sealed or b"") for name, row in rows.items())
    store = KeyStore.open(second / "keystore.db")
    try:
        alive = {row.id for row in store.owners_after("", 1000)}
        assert {*names[1:]} <= alive
        assert names[0] not in alive
    finally:
        store.close()


def test_the_certificate_of_an_erasure_says_what_the_second_copy_still_holds(
    lab: Shell,
) -> None:
    scans = lab.folder / "scans"
    for patient in ("P001", "P002"):
        (scans / patient).mkdir(parents=True)
        (scans / patient / "1.txt").write_text(f"a scan of {patient}\n")
    second = lab.folder.parent / "second"
    lab("keys", "copy", str(second))
    lab("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    away = second.with_name("unplugged")
    second.rename(away)

    refused = lab("erase", "-", "--reason", "asked", "--yes", typed="P001\n", status=4)
    assert "E305" in refused.stderr
    assert lab.json("trace", "-", typed="P001\n")["erased"] is None
    (scans / "P003").mkdir()
    (scans / "P003" / "1.txt").write_text("a scan of P003\n")
    assert "E305" in lab("add", "scans", "--subject-pattern", "^(P[0-9]+)/", status=4).stderr

    lab("keys", "copy", "--suspend")
    erased = lab.json("erase", "-", "--reason", "asked", "--yes", typed="P001\n")
    assert erased["level"] == "L0"
    assert any("second copy" in what for what in erased["remains"])
    assert "key of epoch 1" in " ".join(erased["remains"])
    assert opened(lab, away) == 0

    away.rename(second)
    status = lab.json("keys", "copy", str(second))
    assert (status["state"], status["cleared"]) == ("kept", [1])
    assert opened(lab, second) > 0
    erased = lab.json("erase", "-", "--reason", "asked", "--yes", typed="P002\n")
    assert erased["level"] in {"L0", "L1"}
    assert not any("second copy" in what for what in erased["remains"])
    assert lab.json("audit")["whole"]


def opened(lab: Shell, folder: Path) -> int:
    """How many keys of a copy open with the epoch key of today."""
    found: int = lab.json("readback", "--keystore", str(folder / "keystore.db"))["opened"]
    return found

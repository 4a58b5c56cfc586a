"""Claim: once erased, a subject's data cannot be read again by anyone, whatever they kept.

The attacker has the passphrase, the recovery code, every earlier copy of the key store and of
the sealed objects, the keys folder of today, and a raw image of its disk. Not claimed, and
shown: that somebody who copied the epoch record itself before is stopped.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloister.core.clock import SystemClock
from cloister.core.errors import CloisterError
from cloister.core.ids import SubjectId
from cloister.core.values import KeyGrant, KeyRef
from cloister.keys import KeyClient
from cloister.keys.providers.file import FileProvider, Slot
from cloister.keys.providers.passphrase import RootRecord
from cloister.keys.providers.seam import Credential
from cloister.keys.recovery import read_code
from cloister.keys.seal import open_sealed, seal
from cloister.keys.service.keystore import KeyStore
from cloister.keys.service.rows import EpochSealer, OwnerKey
from cloister.keys.service.vault import Vault
from cloister.keys.values import Fingerprint, GrantRequest
from cloister.testing.keyd import NO_EFFORT, PASSPHRASE, make_keys, running_keyd

OTHERS = 100


@dataclass
class Lab:
    """A lab's keys with one subject to be erased and a hundred others, and a record of each."""

    keys: Path
    recovery: str
    keyd: KeyClient
    names: list[SubjectId]
    grants: list[KeyGrant]
    sealed: list[bytes]

    def copy(self, to: Path) -> Path:
        """What a backup of the keys folder would hold today, but for the epoch record."""
        to.mkdir()
        for name in ("keystore.db", "keystore.db-wal", "root.record"):
            shutil.copy(self.keys / name, to / name)
        return to


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    folder = tmp_path / "keys"
    recovery = make_keys(folder)
    with running_keyd(folder, tmp_path / "run" / "keyd.sock") as keyd:
        yield filled(folder, recovery, keyd)


def filled(folder: Path, recovery: str, keyd: KeyClient) -> Lab:
    found = keyd.subjects([("ward", str(n)) for n in range(OTHERS + 1)], create=True)
    names = [name for name in found if name is not None]
    grants = [grant.key for grant in keyd.grants([GrantRequest(name) for name in names])]
    sealed = [seal(b"scan %d" % n, grant) for n, grant in enumerate(grants)]
    keyd.remember([Fingerprint(names[0], bytes(32), "ab" * 32)])
    return Lab(folder, recovery, keyd, names, grants, sealed)


def epoch_keys(records: Path, recovery: str) -> list[bytearray]:
    """Every epoch KEK the attacker gets out of today's records with either secret."""
    keks = []
    for credential in (
        Credential("passphrase", PASSPHRASE.encode()),
        Credential("recovery", read_code(recovery)),
    ):
        provider = FileProvider(records)
        provider.unlock(credential)
        keks += [provider.fetch(epoch) for epoch in provider.epochs()]
    return keks


def openable(store_path: Path, keks: Sequence[bytearray]) -> set[str]:
    """The owners whose keys come out of a key store, under any KEK and any epoch number."""
    store = KeyStore.open(store_path)
    rows = store.owners_after("", 10_000)
    latest = store.epoch
    store.close()
    opened = set()
    for kek in keks:
        for epoch in range(1, latest + 3):
            sealer = EpochSealer(epoch, bytearray(kek))
            opened |= {row.id for row in rows if sealer.opens(row.id, row.sealed or b"")}
    return opened


def test_older_key_store_with_every_secret_of_today_opens_nothing(
    lab: Lab, tmp_path: Path
) -> None:
    before = lab.copy(tmp_path / "before")
    assert lab.names[0] in openable(before / "keystore.db", epoch_keys(lab.keys, lab.recovery))
    lab.keyd.erase([lab.names[0]])
    today = epoch_keys(lab.keys, lab.recovery)
    assert len(today) == 2  # the same one KEK, by either secret
    assert openable(before / "keystore.db", today) == set()
    survivors = openable(lab.keys / "keystore.db", today)
    assert survivors >= set(lab.names[1:])
    assert lab.names[0] not in survivors


def test_key_service_given_the_older_key_store_finds_nothing_in_it(
    lab: Lab, tmp_path: Path
) -> None:
    before = lab.copy(tmp_path / "before")
    probe = lab.keyd.probe_keystore(str(before / "keystore.db"))
    assert probe.opened == probe.total == OTHERS + 2
    lab.keyd.erase([lab.names[0]])
    probe = lab.keyd.probe_keystore(str(before / "keystore.db"))
    assert (probe.total, probe.opened) == (OTHERS + 2, 0)


def test_older_objects_of_a_hundred_others_read_with_todays_keys(lab: Lab) -> None:
    lab.keyd.erase([lab.names[0]])
    keys = lab.keyd.open([KeyRef(g.owner, g.seal_id, g.wrap) for g in lab.grants])
    assert keys[0] is None
    for n in range(1, OTHERS + 1):
        assert (
            open_sealed(lab.sealed[n], keys[n] or b"", lab.grants[n].seal_id) == b"scan %d" % n
        )


def test_older_key_store_confirms_no_guess_about_who_was_in_it(
    lab: Lab, tmp_path: Path
) -> None:
    before = lab.copy(tmp_path / "before")
    lab.keyd.erase([lab.names[0]])
    store = KeyStore.open(before / "keystore.db")
    macs = {row.mac for row in store.owners_after("", 10_000)}
    prints = {mac for (mac,) in store._all("SELECT mac FROM fingerprint", ())}
    store.close()
    assert len(prints) == 1
    today = epoch_keys(lab.keys, lab.recovery)
    for kek in today:
        for epoch in (1, 2):
            sealer = EpochSealer(epoch, bytearray(kek))
            assert not macs & {sealer.mac(("ward", str(n))) for n in range(OTHERS + 1)}
    # Duplicate search is keyed by the subject's own key, which is gone.
    for kek in today:
        assert OwnerKey(lab.names[0], bytearray(kek)).fingerprint(bytes(32)) not in prints


def test_chain_of_erasures_leaves_no_epoch_but_the_last(lab: Lab, tmp_path: Path) -> None:
    copies = []
    for n in range(5):
        copies.append(lab.copy(tmp_path / f"copy{n}"))
        lab.keyd.erase([lab.names[n]])
    today = epoch_keys(lab.keys, lab.recovery)
    for copy in copies:
        assert openable(copy / "keystore.db", today) == set()


def scan(pid: int, needles: dict[str, bytes]) -> set[str]:
    """Which of the needles lie anywhere in a process's memory (root may look)."""
    found = set()
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            place, mode = line.split()[:2]
            if not mode.startswith("rw") or "[v" in line:
                continue
            start, end = (int(edge, 16) for edge in place.split("-"))
            memory.seek(start)
            try:
                held = memory.read(end - start)
            except OSError:
                continue
            # A freed block loses its first bytes to the allocator; half a key is no secret.
            found |= {name for name, needle in needles.items() if needle[16:] in held}
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="reading another process's memory needs root")
def test_old_epoch_key_and_the_subjects_key_leave_the_memory_of_the_process(lab: Lab) -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    [kek, _] = epoch_keys(lab.keys, lab.recovery)
    store = KeyStore.open(lab.keys / "keystore.db")
    row = store.owners([lab.names[0]])[lab.names[0]]
    store.close()
    subject_key = bytes(EpochSealer(1, bytearray(kek)).open(row.id, row.sealed or b"").key)
    epoch_okm = HKDF(SHA256(), 64, None, b"cloister epoch v1").derive(bytes(kek))
    owner_okm = HKDF(SHA256(), 64, None, b"cloister owner v1").derive(subject_key)
    needles = {
        "epoch KEK": bytes(kek),
        "epoch cipher": epoch_okm[:32],
        "epoch index": epoch_okm[32:],
        "subject key": subject_key,
        "subject cipher": owner_okm[:32],
        "subject fingerprints": owner_okm[32:],
    }
    pid = lab.keyd.status().pid
    in_use = {"epoch cipher", "epoch index", "subject cipher", "subject fingerprints"}
    assert scan(pid, needles) == in_use  # it finds what is there, and each in use only
    lab.keyd.erase([lab.names[0]])
    assert scan(pid, needles) == set()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A raw ext4 image and where it is mounted."""
    image, mount = tmp_path / "disk.img", tmp_path / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    done = subprocess.run(
        ["mount", "-o", "loop", image, mount], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("raw disk image: this machine does not mount loop devices")
    try:
        yield image, mount
    finally:
        subprocess.run(["umount", mount], check=True)


def raw(image: Path, mount: Path) -> bytes:
    """The disk as a thief would read it, after all that was asked for has reached it."""
    descriptor = os.open(mount, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    subprocess.run(["sync", "-f", str(mount)], check=True)
    device = subprocess.run(
        ["losetup", "-j", str(image), "-O", "NAME", "-n"], capture_output=True, check=True
    ).stdout.strip()
    subprocess.run(["blockdev", "--flushbufs", os.fsdecode(device)], check=True)
    return image.read_bytes()


def carved(image: bytes, magic: bytes) -> Iterator[bytes]:
    """4 KiB from every place in the image where a record may begin, aligned or not."""
    at = image.find(magic)
    while at >= 0:
        yield image[at : at + 4096]
        at = image.find(magic, at + 1)


def roots(image: bytes, passphrase: bytes) -> set[bytes]:
    """Every root key that any remnant of a root record gives under a passphrase."""
    found = set()
    for remnant in carved(image, b"CLRT\x01"):
        try:
            found.add(bytes(RootRecord.unpack(remnant[:512]).open_with_passphrase(passphrase)))
        except CloisterError:
            continue
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="raw disk image: mounting needs root")
def test_raw_disk_after_an_erasure_holds_no_way_back(disk: tuple[Path, Path]) -> None:
    image, mount = disk
    vault = Vault(mount / "keys", FileProvider(mount / "keys", NO_EFFORT), SystemClock())
    make_keys(mount / "keys")
    vault.unlock(Credential("passphrase", PASSPHRASE.encode()))
    with vault.keyring() as keyring:
        pairs = [("ward", str(n)) for n in range(50)]
        names = [SubjectId(str(name)) for name in keyring.subjects(pairs, create=True)]
    vault.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    old_rows = vault.store.owners(names)
    record = Slot.unpack((mount / "keys/epoch.record").read_bytes()[:4096])
    assert record is not None
    assert record.wrap in raw(image, mount)  # the attack works before the erasure

    vault.erase(names[:1])
    vault.close()
    after = raw(image, mount)
    assert record.wrap not in after
    [root] = roots(after, PASSPHRASE.encode())
    keks = []
    for remnant in carved(after, b"CLEP\x01"):
        if slot := Slot.unpack(remnant):
            keks.append(slot.open(bytearray(root)))
    assert len(keks) == 1  # today's, and no other anywhere on the disk
    for epoch in (1, 2):
        sealer = EpochSealer(epoch, bytearray(keks[0]))
        assert not any(sealer.opens(name, row.sealed or b"") for name, row in old_rows.items())


@pytest.mark.skipif(os.geteuid() != 0, reason="raw disk image: mounting needs root")
def test_raw_disk_after_a_change_of_passphrase_opens_with_the_new_one_only(
    disk: tuple[Path, Path],
) -> None:
    image, mount = disk
    make_keys(mount / "keys")
    assert len(roots(raw(image, mount), PASSPHRASE.encode())) == 1
    provider = FileProvider(mount / "keys", NO_EFFORT)
    provider.change_passphrase(Credential("passphrase", PASSPHRASE.encode()), b"another one")
    after = raw(image, mount)
    assert roots(after, PASSPHRASE.encode()) == set()
    assert len(roots(after, b"another one")) == 1


def test_what_is_not_claimed_a_copied_epoch_record_still_opens(
    lab: Lab, tmp_path: Path
) -> None:
    """Why the epoch record stays out of every backup; the threat model says so too."""
    before = lab.copy(tmp_path / "before")
    shutil.copy(lab.keys / "epoch.record", before / "epoch.record")
    lab.keyd.erase([lab.names[0]])
    assert lab.names[0] in openable(before / "keystore.db", epoch_keys(before, lab.recovery))


def test_unrelated_secret_opens_nothing_at_all(lab: Lab) -> None:
    """The other attacks would find what can be found: this one shows they are not blind."""
    assert openable(lab.keys / "keystore.db", [bytearray(secrets.token_bytes(32))]) == set()

"""Claim: after `cloister erase` nobody can read that patient's data again: not with the
passphrase, not with any earlier copy of lab and key store, not from the raw disk; and a
hundred other patients read back from the earlier copies with today's keys.

Through the real command line. Not claimed, and shown: a copy of the epoch record, which no
backup may hold, does open what was erased.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloister.core.errors import CloisterError
from cloister.core.ids import SubjectId
from cloister.keys.providers.file import Slot
from cloister.keys.providers.passphrase import RootRecord
from cloister.keys.service.keystore import KeyStore
from cloister.keys.service.rows import EpochSealer
from tests.attacks.byte_search import ByteSearch
from tests.attacks.killing import keys_folder, kill_keyd, lab_folder
from tests.attacks.raw_disk import RawDisk, raw_disk
from tests.attacks.stolen_keys import opened_vault
from tests.conftest import Shell, new_lab, new_shell, write_scans

PASSPHRASE = b"correct horse battery staple"
PATIENTS = 104  # the one who is erased, two erased before, a hundred others and one to spare
ADD = ("add", "scans", "--subject-pattern", "^(P[0-9]+)/")


@dataclass(frozen=True)
class Copy:
    """What a backup held of the lab and of the keys folder, and what none may hold."""

    lab: Path
    keys: Path
    epoch_record: Path

    @classmethod
    def of(cls, shell: Shell, folder: Path) -> Copy:
        """A copy as of now."""
        made = cls(folder / "lab", folder / "keys", folder / "epoch.record")
        shutil.copytree(lab_folder(shell), made.lab)
        without = shutil.ignore_patterns("epoch.record", "keyd.lock")
        shutil.copytree(keys_folder(shell), made.keys, ignore=without)
        shutil.copy(keys_folder(shell) / "epoch.record", made.epoch_record)
        return made


@dataclass(frozen=True)
class Story:
    """A lab through three erasures, with a copy of everything before each."""

    shell: Shell
    copies: list[Copy]
    subject: SubjectId
    records: list[str]


def erase(shell: Shell, patient: str) -> None:
    words = ("erase", "-", "--reason", "consent withdrawn", "--yes")
    shell(*words, typed=f"{patient}\n")


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with new_lab() as shell:
        write_scans(shell.folder / "scans", PATIENTS // 2, 1)
        shell(*ADD)
        copies = [Copy.of(shell, shell.folder / "half of the patients")]
        shutil.rmtree(shell.folder / "scans")
        write_scans(shell.folder / "scans", PATIENTS, 1)
        shell(*ADD)
        for patient in ("P001", "P002", "P003"):
            copies.append(Copy.of(shell, shell.folder / f"before {patient}"))
            trace = shell.json("trace", "-", typed=f"{patient}\n")
            erase(shell, patient)
        yield Story(shell, copies, SubjectId(trace["subject"]), trace["records"])


@pytest.mark.file_database
def test_no_earlier_copy_of_the_lab_gives_the_erased_and_each_gives_the_others(
    story: Story,
) -> None:
    for copy in story.copies:
        words = ("readback", str(copy.lab), "--subject", story.subject, "--sample", "100")
        tried = story.shell.json(*words)
        assert tried["subject"] == {
            "records": 1,
            "readable": 0,
            "erased": 1,
            "damaged": 0,
        }
        others = min(100, tried["sample"]["records"])
        assert tried["sample"]["readable"] == others
    assert others == 100
    for record in story.records:
        assert "E400" in story.shell("get", record, status=5).stderr


def test_no_earlier_key_store_opens_with_the_key_of_today(story: Story) -> None:
    for copy in story.copies:
        tried = story.shell.json("readback", "--keystore", str(copy.keys / "keystore.db"))
        assert tried["keys"] > PATIENTS // 2
        assert tried["opened"] == 0


def elsewhere(story: Story, folder: Path) -> dict[str, str]:
    """Surroundings in which the lab has other keys and another key service."""
    (folder / "run").mkdir(parents=True, mode=0o700)
    return {
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "XDG_STATE_HOME": str(folder / "state"),
    }


def restored(story: Story, copy: Copy, epoch_record: Path, folder: Path) -> dict[str, str]:
    """An old copy of lab and key store put to use, beside some epoch record."""
    around = elsewhere(story, folder)
    keys = folder / "data/cloister" / keys_folder(story.shell).name
    shutil.copytree(copy.keys, keys)
    shutil.copy(epoch_record, keys / "epoch.record")
    return around


def test_an_earlier_key_store_put_back_does_not_unlock_with_the_passphrase(
    story: Story, tmp_path: Path
) -> None:
    today = keys_folder(story.shell) / "epoch.record"
    for number, copy in enumerate(story.copies):
        around = restored(story, copy, today, tmp_path / str(number))
        try:
            said = story.shell("--lab", str(copy.lab), "unlock", env=around, status=4).stderr
        finally:
            stop(tmp_path / str(number))
        assert "E303" in said


def stop(folder: Path) -> None:
    """Ends the key service that was started there."""
    kill_keyd(Shell(folder, folder))


@pytest.mark.file_database
def test_what_is_not_claimed_the_epoch_record_of_that_day_opens_it(
    story: Story, tmp_path: Path
) -> None:
    """The control: these attacks would find what is there, and why it is in no backup."""
    copy = story.copies[-1]
    around = restored(story, copy, copy.epoch_record, tmp_path)
    lab = ("--lab", str(copy.lab))
    try:
        story.shell(*lab, "unlock", env=around)
        got = story.shell(*lab, "get", story.records[0], env=around)
    finally:
        stop(tmp_path)
    assert got.stdout == (story.shell.folder / "scans/P003/0.txt").read_text()


def test_the_certificate_says_what_became_of_it_and_the_ledger_holds_it(story: Story) -> None:
    trace = story.shell.json("trace", story.subject)
    assert trace["erased"] is not None
    assert story.shell.json("audit")["whole"]


# The raw disk


def keks_on(disk: RawDisk) -> list[bytearray]:
    """Every epoch KEK that the passphrase gets out of any remnant of any record."""
    found = []
    for root_record in disk.carved(b"CLRT\x01", 512):
        try:
            root = RootRecord.unpack(root_record).open_with_passphrase(PASSPHRASE)
        except CloisterError:
            continue
        for remnant in disk.carved(b"CLEP\x01", 4096):
            if slot := Slot.unpack(remnant):
                found.append(slot.open(root))
    return found


def opened_by(keks: Sequence[bytearray], keystore: Path) -> set[str]:
    """The owners in a key store that any of these KEKs opens, under any epoch's number."""
    store = KeyStore.open(keystore)
    rows, epochs = store.owners_after("", 10_000), range(1, store.epoch + 3)
    store.close()
    return {
        row.id
        for kek in keks
        for epoch in epochs
        for row in rows
        if EpochSealer(epoch, bytearray(kek)).opens(row.id, row.sealed or b"")
    }


@pytest.mark.timeout(600)
def test_the_raw_disk_after_an_erasure_holds_no_way_to_the_erased(tmp_path: Path) -> None:
    """Lab and keys folder on one disk, which is imaged whole; then everything is tried."""
    with raw_disk(tmp_path, 112) as disk, new_shell() as shell:
        around = {
            "XDG_DATA_HOME": str(disk.mount / "data"),
            "CLOISTER_LAB": str(disk.mount / "lab"),
        }
        shell("init", env=around)
        write_scans(shell.folder / "scans", 12, 2)
        shell(*ADD, env=around)
        trace = Shell.json(shell, "trace", "-", typed="P005\n", env=around)
        (keys,) = (disk.mount / "data/cloister").iterdir()
        old = tmp_path / "key store before"
        shutil.copytree(keys, old, ignore=shutil.ignore_patterns("epoch.record"))
        record = Slot.unpack((keys / "epoch.record").read_bytes()[:4096])
        assert record is not None
        with opened_vault(keys, tmp_path / "opened", PASSPHRASE) as vault:
            kek = bytes(vault._provider.fetch(1))
        before = keks_on(disk)
        assert trace["subject"] in opened_by(before, old / "keystore.db")  # not blind
        assert record.wrap in disk.content()

        shell("erase", "-", "--reason", "withdrawn", "--yes", typed="P005\n", env=around)

        content = disk.content()
        assert record.wrap not in content
        assert kek not in content
        after = keks_on(disk)
        assert len({bytes(one) for one in after}) == 1  # today's, and no other anywhere
        assert opened_by(after, old / "keystore.db") == set()
        survivors = opened_by(after, keys / "keystore.db")
        assert trace["subject"] not in survivors
        assert len(survivors) >= 11
        assert ByteSearch(["patient 5 scan"]).in_bytes(content) == []
        shell("lock", "--stop", env=around)

"""The second copy: whatever was acknowledged is there, and an erasure is complete there."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, Conflict, CopyUnavailable, WrongPassphrase
from cloister.core.ids import KeyId, SubjectId
from cloister.core.values import KeyRef
from cloister.keys.providers.file import SLOT_SIZE, FileProvider, Slot
from cloister.keys.providers.seam import Credential
from cloister.keys.service.journal import Journal, Request
from cloister.keys.service.keystore import KeyStore
from cloister.keys.service.vault import Vault
from cloister.keys.values import GrantRequest
from cloister.testing.keyd import NO_EFFORT
from tests.keys.service.conftest import LAB, PASSPHRASE, TurnedClock, open_vault


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "second"


@pytest.fixture
def vault(here: Path, there: Path, clock: TurnedClock) -> Vault:
    """A vault with three subjects and a second copy."""
    here.mkdir()
    made = open_vault(here, clock)
    enrol(made, 3)
    keep(made, there)
    return made


def keep(vault: Vault, folder: Path) -> tuple[int, ...]:
    with vault.copies() as copies:
        return copies.keep(folder).cleared


def enrol(vault: Vault, count: int, ward: str = "ward") -> list[SubjectId]:
    with vault.keyring() as keyring:
        pairs = [(ward, str(number)) for number in range(count)]
        return [SubjectId(str(name)) for name in keyring.subjects(pairs, create=True)]


def owners(folder: Path) -> set[str]:
    """Those whose key a keys folder holds, as it lies there at this moment."""
    copy = folder.with_name(folder.name + "-looked-at")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    store = KeyStore.open(copy / "keystore.db")
    try:
        return {row.id for row in store.owners_after("", 10_000)}
    finally:
        store.close()


def epochs(folder: Path) -> set[int]:
    raw = (folder / "epoch.record").read_bytes()
    slots = [Slot.unpack(raw[at : at + SLOT_SIZE]) for at in (0, SLOT_SIZE)]
    return {slot.epoch for slot in slots if slot is not None}


def restored(folder: Path, clock: TurnedClock) -> Vault:
    """The copy in the place of a keys folder that was lost."""
    place = folder.with_name("restored")
    shutil.copytree(folder, place)
    vault = Vault(place, FileProvider(place, NO_EFFORT), clock)
    vault.start()
    vault.unlock(PASSPHRASE)
    return vault


def test_every_key_is_on_the_copy_when_it_is_given(vault: Vault, there: Path) -> None:
    names = enrol(vault, 5, "another")
    with vault.keyring() as keyring:
        run = keyring.new_owner("run")
    assert {*names, run} <= owners(there)


def test_the_copy_alone_opens_what_was_sealed(
    vault: Vault, here: Path, there: Path, clock: TurnedClock
) -> None:
    names = enrol(vault, 5, "another")
    with vault.keyring() as keyring:
        grants = keyring.grants([GrantRequest(name) for name in names])
    shutil.rmtree(here)
    again = restored(there, clock)
    with again.keyring() as keyring:
        keys = [grant.key for grant in grants]
        opened = keyring.open([KeyRef(key.owner, key.seal_id, key.wrap) for key in keys])
    assert opened == [grant.key.object_key for grant in grants]
    assert again.lab == LAB


def test_nothing_is_given_while_the_copy_is_away(vault: Vault, here: Path, there: Path) -> None:
    before, known = owners(here), enrol(vault, 3)
    there.rename(there.with_name("unplugged"))
    for ask in (
        lambda: enrol(vault, 1, "another"),
        lambda: new_run(vault),
        lambda: vault.erase(known[:1]),
        lambda: vault.change_passphrase(PASSPHRASE, b"another one"),
    ):
        with pytest.raises(CopyUnavailable):
            ask()
    assert owners(here) == before
    assert vault.copy_status().state == "unreachable"
    with vault.keyring() as keyring:  # what is there is read as ever
        assert keyring.grants([GrantRequest(known[0])])
    there.with_name("unplugged").rename(there)
    assert set(enrol(vault, 1, "another")) <= owners(there)
    assert vault.copy_status().state == "kept"


def new_run(vault: Vault) -> str:
    with vault.keyring() as keyring:
        return keyring.new_owner("run")


def test_an_empty_mount_point_is_not_taken_for_the_copy(vault: Vault, there: Path) -> None:
    there.rename(there.with_name("unplugged"))
    there.mkdir()
    with pytest.raises(CopyUnavailable, match="not mounted"):
        enrol(vault, 1, "another")
    assert list(there.iterdir()) == []


def test_another_labs_copy_is_not_overwritten(vault: Vault, there: Path) -> None:
    shutil.rmtree(there)
    there.mkdir()
    (there / "second-copy").write_text("lab_aaaaaaaaaaaaaaaa 0011223344556677\n")
    with pytest.raises(CopyUnavailable, match="another copy"):
        enrol(vault, 1, "another")


def test_an_erasure_destroys_the_old_epoch_on_both(
    vault: Vault, here: Path, there: Path
) -> None:
    [first, *others] = enrol(vault, 3)
    receipt = vault.erase([first])
    assert receipt.copy == "cleared"
    assert "second copy" in receipt.receipt
    assert epochs(here) == epochs(there) == {2}
    assert first not in owners(there)
    assert set(others) <= owners(there)


def test_a_suspended_copy_makes_an_erasure_pending_until_it_is_back(
    vault: Vault, here: Path, there: Path
) -> None:
    [first, second, _] = enrol(vault, 3)
    with vault.copies() as copies:
        assert copies.suspend().state == "suspended"
    assert set(enrol(vault, 2, "another")) <= owners(here) - owners(there)
    receipt = vault.erase([first])
    assert (receipt.level, receipt.copy) == ("L0", "pending")
    assert "pending" in receipt.receipt
    assert (epochs(here), epochs(there)) == ({2}, {1})
    assert first in owners(there)
    assert keep(vault, there) == (1,)
    assert epochs(there) == {2}
    assert owners(there) == owners(here)
    assert vault.erase([second]).level == vault.erase([second]).level
    assert vault.copy_status().state == "kept"


def test_a_copy_lost_in_the_middle_of_an_erasure_is_pending_and_made_up_for(
    here: Path, there: Path, clock: TurnedClock
) -> None:
    away = there.with_name("unplugged")
    lost = {"at": "committed"}

    def step(name: str) -> None:
        if name == lost["at"]:
            there.rename(away)

    here.mkdir()
    vault = open_vault(here, clock, step)
    [first, *_] = enrol(vault, 3)
    keep(vault, there)
    receipt = vault.erase([first])
    assert (receipt.level, receipt.copy) == ("L0", "pending")
    assert epochs(here) == {2}
    lost["at"] = ""
    away.rename(there)
    assert vault.tend() == (1,)
    assert epochs(there) == {2}
    assert vault.tend() == ()


@pytest.mark.parametrize("at", ["kek created", "before commit"])
def test_a_copy_lost_before_an_erasure_counts_refuses_it(
    here: Path, there: Path, clock: TurnedClock, at: str
) -> None:
    away, lost = there.with_name("unplugged"), {"at": at}

    def step(name: str) -> None:
        if name == lost["at"]:
            there.rename(away)

    here.mkdir()
    vault = open_vault(here, clock, step)
    names = enrol(vault, 3)
    keep(vault, there)
    with pytest.raises(CopyUnavailable):
        vault.erase(names[:1])
    assert set(names) <= owners(here)
    lost["at"] = ""
    away.rename(there)
    assert vault.erase(names[:1]).copy == "cleared"
    assert epochs(here) == epochs(there) == {vault.epoch}


def test_an_older_keys_folder_does_not_overwrite_the_newer_copy(
    vault: Vault, here: Path, there: Path, clock: TurnedClock
) -> None:
    vault.close()
    older = here.with_name("older")
    shutil.copytree(here, older)
    vault = open_vault(here, clock)
    names = enrol(vault, 5, "another")
    new_run(vault)
    vault.close()
    shutil.rmtree(here)
    older.rename(here)
    vault = open_vault(here, clock)
    assert vault.copy_status().state == "unreachable"
    assert "newer" in vault.copy_status().why
    with pytest.raises(CopyUnavailable, match="newer"):
        new_run(vault)
    assert set(names) <= owners(there)


def test_keys_without_a_copy_do_not_take_over_one_that_may_be_newer(
    here: Path, there: Path, clock: TurnedClock
) -> None:
    here.mkdir()
    vault = open_vault(here, clock)
    vault.close()
    older = here.with_name("older")
    shutil.copytree(here, older)
    vault = open_vault(here, clock)
    keep(vault, there)
    names = enrol(vault, 3)
    vault.close()
    shutil.rmtree(here)
    older.rename(here)
    vault = open_vault(here, clock)
    with pytest.raises(CopyUnavailable, match="newer"):
        keep(vault, there)
    assert set(names) <= owners(there)


def test_journal_and_fingerprints_reach_the_copy_in_time(
    vault: Vault, there: Path, clock: TurnedClock
) -> None:
    journal = Journal(vault.store, clock)
    for _ in range(3):
        journal.add(Request(0, "test", "grants", 1, ()), "ok")
    assert journalled(there) == 0
    vault.tend()
    assert journalled(there) == 3


def journalled(folder: Path) -> int:
    copy = folder.with_name("journal")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    connection = sqlite3.connect(copy / "keystore.db")
    try:
        return int(connection.execute("SELECT count(*) FROM journal").fetchone()[0])
    finally:
        connection.close()


def test_a_changed_passphrase_and_new_shares_reach_the_copy(
    vault: Vault, there: Path, clock: TurnedClock
) -> None:
    vault.change_passphrase(PASSPHRASE, b"another one")
    vault.change_recovery(Credential("passphrase", b"another one"), b"x" * 20, None)
    provider = FileProvider(there, NO_EFFORT)
    with pytest.raises(WrongPassphrase):
        provider.unlock(PASSPHRASE)
    provider.unlock(Credential("passphrase", b"another one"))
    provider.unlock(Credential("recovery", b"x" * 20))


def test_a_copy_that_was_killed_with_us_is_made_anew(
    vault: Vault, here: Path, there: Path, clock: TurnedClock
) -> None:
    names = enrol(vault, 4, "another")
    copied = there.with_name("as-it-was")
    shutil.copytree(there, copied)
    new_run(vault)
    vault.close()
    shutil.rmtree(there)
    copied.rename(there)
    again = open_vault(here, clock)
    assert again.copy_status().state == "kept"
    assert owners(there) == owners(here) >= set(names)


def test_a_copy_moved_elsewhere_is_found_by_its_mark(vault: Vault, there: Path) -> None:
    moved = there.with_name("mounted-elsewhere")
    there.rename(moved)
    assert keep(vault, moved) == ()
    assert set(enrol(vault, 1, "another")) <= owners(moved)
    assert vault.copy_status().folder == str(moved)


def test_a_second_copy_elsewhere_needs_the_first_given_up(
    vault: Vault, there: Path, tmp_path: Path
) -> None:
    with pytest.raises(Conflict, match="elsewhere"):
        keep(vault, tmp_path / "third")
    with vault.copies() as copies:
        status = copies.forget()
    assert (status.state, status.why) == ("none", "")
    assert epochs(there) == set()
    assert not (there / "keystore.db").exists()
    keep(vault, tmp_path / "third")
    assert set(enrol(vault, 1, "another")) <= owners(tmp_path / "third")


def test_a_lost_copy_given_up_is_said_to_open_still(vault: Vault, there: Path) -> None:
    there.rename(there.with_name("lost"))
    with vault.copies() as copies:
        assert "still opens" in copies.forget().why
    assert enrol(vault, 1, "another")
    assert vault.copy_status().state == "none"


@pytest.mark.parametrize(
    "prepare",
    [
        lambda folder: folder.mkdir() or (folder / "thesis.doc").write_text("x"),
        lambda folder: (
            folder.mkdir() or (folder / "second-copy").write_text("lab_aaaaaaaaaaaaaaaa 00\n")
        ),
    ],
)
def test_a_folder_that_holds_something_else_is_refused(
    here: Path, there: Path, clock: TurnedClock, prepare: Callable[[Path], object]
) -> None:
    here.mkdir()
    vault = open_vault(here, clock)
    prepare(there)
    with pytest.raises(Conflict):
        keep(vault, there)
    with pytest.raises(BadInput):
        keep(vault, there / "no" / "such")
    assert vault.copy_status().state == "none"
    with vault.copies() as copies, pytest.raises(BadInput):
        copies.suspend()


def test_a_key_store_with_a_copy_is_not_taken_by_an_earlier_release(
    vault: Vault, here: Path
) -> None:
    """It would make keys without the copy: it opens version 1 alone."""
    assert vault.store.meta("version") == "2"


def test_rows_of_the_erased_are_in_no_page_of_the_copy_that_its_key_opens(
    vault: Vault, there: Path
) -> None:
    names: list[KeyId] = list(enrol(vault, 3))
    rows = vault.store.owners(names)
    vault.erase(names[:1])
    with vault.keyring() as keyring:
        assert not keyring.sealer.opens(names[0], rows[names[0]].sealed or b"")

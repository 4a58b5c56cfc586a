"""The vault: created once, locked and unlocked, erased from for good, killed at any step."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.core.errors import (
    Conflict,
    Erased,
    IntegrityError,
    KeyMissing,
    Locked,
    Tampered,
    WrongPassphrase,
)
from cloister.core.ids import KeyId, RunId, SubjectId
from cloister.core.values import KeyGrant, KeyRef
from cloister.keys.providers.seam import Credential
from cloister.keys.service.cache import KEPT_S
from cloister.keys.service.vault import Vault
from cloister.keys.values import Fingerprint, GrantRequest
from tests.keys.service.conftest import LAB, PASSPHRASE, RECOVERY, TurnedClock, open_vault

STEPS = ("begun", "kek created", "resealed", "before commit", "committed", "kek destroyed")


class Killed(BaseException):
    """Stands for a process that ends right here."""


def subjects(vault: Vault, *names: str) -> list[SubjectId]:
    with vault.keyring() as keyring:
        found = keyring.subjects([("ward", name) for name in names], create=True)
    return [SubjectId(name) for name in found if name is not None]


def grants(vault: Vault, owners: Sequence[KeyId]) -> list[KeyGrant]:
    with vault.keyring() as keyring:
        return [grant.key for grant in keyring.grants([GrantRequest(o) for o in owners])]


def opened(vault: Vault, granted: Sequence[KeyGrant]) -> list[bytes | None]:
    with vault.keyring() as keyring:
        return keyring.open([KeyRef(g.owner, g.seal_id, g.wrap) for g in granted])


def test_keys_come_back_after_a_restart(vault: Vault, clock: TurnedClock) -> None:
    granted = grants(vault, subjects(vault, "a", "b"))
    vault.close()
    again = open_vault(vault.folder, clock)
    assert again.lab == LAB
    assert opened(again, granted) == [grant.object_key for grant in granted]


def test_either_secret_opens_and_no_other_does(vault: Vault) -> None:
    granted = grants(vault, subjects(vault, "a"))
    for credential in (PASSPHRASE, RECOVERY):
        vault.lock()
        vault.unlock(credential)
        assert opened(vault, granted) == [granted[0].object_key]
    vault.lock()
    with pytest.raises(WrongPassphrase):
        vault.unlock(Credential("passphrase", b"guess"))
    assert vault.state == "locked"


def test_recovery_sets_a_new_passphrase(vault: Vault) -> None:
    vault.lock()
    vault.unlock(RECOVERY, b"new words")
    vault.lock()
    with pytest.raises(WrongPassphrase):
        vault.unlock(PASSPHRASE)
    vault.unlock(Credential("passphrase", b"new words"))


def test_wrong_passphrase_while_open_leaves_it_open(vault: Vault) -> None:
    with pytest.raises(WrongPassphrase):
        vault.unlock(Credential("passphrase", b"guess"))
    assert vault.state == "open"
    assert opened(vault, grants(vault, subjects(vault, "a"))) != [None]


def test_locked_vault_gives_nothing(vault: Vault) -> None:
    owner = subjects(vault, "a")
    vault.lock()
    with pytest.raises(Locked):
        grants(vault, owner)
    with pytest.raises(Locked):
        _ = vault.lab_keys
    with pytest.raises(Locked):
        vault.erase(owner)


def test_keys_are_made_once(vault: Vault) -> None:
    with pytest.raises(Conflict):
        vault.create(LAB, b"another", RECOVERY.secret)


def test_creation_cut_short_can_be_repeated(tmp_path: Path, clock: TurnedClock) -> None:
    vault = open_vault(tmp_path, clock)
    vault.close()
    (tmp_path / "creating").touch()  # as if killed before the last step: nobody was answered
    (tmp_path / "keystore.db").write_bytes(b"half")
    again = open_vault(tmp_path, clock)
    assert again.state == "open"
    assert not (tmp_path / "creating").exists()


@pytest.mark.parametrize("name", ["root.record", "epoch.record", "keystore.db"])
def test_missing_file_is_named_and_nothing_is_made_anew(
    vault: Vault, clock: TurnedClock, name: str
) -> None:
    vault.close()
    (vault.folder / name).unlink()
    with pytest.raises(KeyMissing, match=name):
        open_vault(vault.folder, clock)
    assert not (vault.folder / name).exists()


@pytest.mark.parametrize(
    ("name", "at"), [("root.record", 40), ("root.record", 90), ("keystore.db", 3)]
)
def test_damaged_file_is_told_from_a_wrong_passphrase(
    vault: Vault, clock: TurnedClock, name: str, at: int
) -> None:
    vault.close()
    path = vault.folder / name
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(IntegrityError):
        open_vault(vault.folder, clock)


def test_epoch_record_of_another_day_is_refused(vault: Vault, clock: TurnedClock) -> None:
    owners = subjects(vault, "a")
    old = (vault.folder / "epoch.record").read_bytes()
    vault.erase(owners)
    vault.close()
    (vault.folder / "epoch.record").write_bytes(old)
    with pytest.raises(KeyMissing, match="epoch 2"):
        open_vault(vault.folder, clock)


def test_swapped_rows_are_tampering(vault: Vault, clock: TurnedClock) -> None:
    one, other = subjects(vault, "one", "other")
    granted = grants(vault, [one])
    rows = vault.store.owners([one, other])
    with vault.store.transaction():
        vault.store._connection.execute(
            "UPDATE owner SET sealed = ? WHERE id = ?", (rows[other].sealed, one)
        )
    vault.close()
    with pytest.raises(Tampered, match=one):
        opened(open_vault(vault.folder, clock), granted)


def test_identity_is_one_subject_however_often_it_is_asked(vault: Vault) -> None:
    with vault.keyring() as keyring:
        pairs = [("a", "bc"), ("ab", "c"), ("", "abc"), ("a", "bc"), ("a", "p\udce9")]
        found = keyring.subjects(pairs, create=True)
        assert found[0] == found[3]
        assert len(set(found)) == 4
        assert keyring.subjects(pairs, create=True) == found
        assert keyring.identities([SubjectId(name) for name in found if name]) == pairs
        assert keyring.subjects([("a", "unknown")], create=False) == [None]


def test_owner_without_a_name_has_a_key_and_no_identity(vault: Vault) -> None:
    with vault.keyring() as keyring:
        run = RunId.parse(keyring.new_owner("run"))
        provisional = SubjectId.parse(keyring.new_owner("sub"))
        assert keyring.identities([run, provisional]) == [None, None]
    assert None not in opened(vault, grants(vault, [run, provisional]))


def test_rewrapped_key_opens_under_its_new_owner_only(vault: Vault) -> None:
    one, other = subjects(vault, "one", "other")
    grant = grants(vault, [one])[0]
    with vault.keyring() as keyring:
        wrap = keyring.rewrap([KeyRef(one, grant.seal_id, grant.wrap)], other)[0]
        assert keyring.open([KeyRef(other, grant.seal_id, wrap)]) == [grant.object_key]
        with pytest.raises(Tampered):
            keyring.open([KeyRef(one, grant.seal_id, wrap)])
    vault.erase([one])
    assert opened(vault, [KeyGrant(other, grant.seal_id, b"", wrap)]) == [grant.object_key]


def test_wrap_is_bound_to_its_seal_and_owner(vault: Vault) -> None:
    one, other = subjects(vault, "one", "other")
    grant = grants(vault, [one])[0]
    for forged in (
        KeyGrant(one, secrets.token_bytes(16), b"", grant.wrap),
        KeyGrant(other, grant.seal_id, b"", grant.wrap),
        KeyGrant(one, grant.seal_id, b"", grant.wrap[:-1]),
        KeyGrant(one, grant.seal_id[:4], b"", grant.wrap),
    ):
        with pytest.raises(Tampered):
            opened(vault, [forged])


def test_erased_owner_leaves_only_its_id(vault: Vault) -> None:
    gone, stays = subjects(vault, "gone", "stays")
    granted = grants(vault, [gone, stays])
    with vault.keyring() as keyring:
        digest = secrets.token_bytes(32)
        keyring.remember([Fingerprint(gone, digest, "ab" * 32)])
    receipt = vault.erase([gone])
    assert (receipt.destroyed, receipt.already, receipt.survivors) == (1, 0, 1)
    assert opened(vault, granted) == [None, granted[1].object_key]
    row = vault.store.owners([gone])[gone]
    assert (row.sealed, row.mac) == (None, None)
    assert vault.store._all("SELECT * FROM fingerprint", ()) == []
    with pytest.raises(Erased):
        grants(vault, [gone])
    assert subjects(vault, "gone") != [gone]


def test_erasing_again_is_harmless_and_unknown_owners_change_nothing(vault: Vault) -> None:
    gone = subjects(vault, "gone")
    vault.erase(gone)
    receipt = vault.erase([*gone, *gone])
    assert (receipt.destroyed, receipt.already, receipt.epoch_after) == (0, 1, 3)
    with pytest.raises(KeyMissing):
        vault.erase([*subjects(vault, "stays"), RunId.new(secrets.token_bytes)])
    assert vault.epoch == 3


@pytest.mark.parametrize("step", STEPS)
def test_erasure_cut_at_any_step_is_whole_or_not_at_all(
    tmp_path: Path, clock: TurnedClock, step: str
) -> None:
    def cut(reached: str) -> None:
        if reached == step:
            raise Killed

    vault = open_vault(tmp_path, clock, cut)
    gone, *others = subjects(vault, *(f"p{n}" for n in range(30)))
    granted = grants(vault, [gone, *others])
    with pytest.raises(Killed):
        vault.erase([gone])
    done = STEPS.index(step) >= STEPS.index("committed")
    # No key of a doubtful epoch is used; where nothing was changed, work goes on.
    assert vault.state == ("locked" if done else "open")
    vault.close()

    again = open_vault(tmp_path, clock)
    keys: list[bytes | None] = [grant.object_key for grant in granted]
    assert opened(again, granted) == [None if done else keys[0], *keys[1:]]
    assert again._provider.epochs() == [again.epoch] == [2 if done else 1]
    assert again.erase([gone]).destroyed == (0 if done else 1)
    assert opened(again, granted) == [None, *keys[1:]]


def test_cached_keys_are_dropped_after_five_minutes(vault: Vault, clock: TurnedClock) -> None:
    grants(vault, subjects(vault, "a", "b"))
    clock.seconds += KEPT_S - 1
    vault.tend()
    assert len(vault._cache) > 0
    clock.seconds += 1
    vault.tend()
    assert len(vault._cache) == 0


def test_erasure_and_lock_empty_the_cache_at_once(vault: Vault) -> None:
    owners = subjects(vault, "a", "b")
    generation = vault.generation
    grants(vault, owners)
    vault.erase(owners[:1])
    assert len(vault._cache) == 0
    grants(vault, owners[1:])
    vault.lock()
    assert len(vault._cache) == 0
    assert vault.generation == generation + 2


def test_erase_waits_for_whoever_is_using_keys(vault: Vault) -> None:
    owners = subjects(vault, "a")
    with vault.keyring():
        eraser = threading.Thread(target=vault.erase, args=(owners,))
        eraser.start()
        eraser.join(0.2)
        assert eraser.is_alive()
    eraser.join(10)
    assert vault.epoch == 2


@settings(max_examples=15)
@given(st.lists(st.sets(st.integers(0, 19), max_size=4), max_size=5))
def test_any_history_of_erasures_keeps_exactly_the_rest(
    tmp_path_factory: pytest.TempPathFactory, history: list[set[int]]
) -> None:
    vault = open_vault(tmp_path_factory.mktemp("keys"), TurnedClock())
    owners = subjects(vault, *(str(n) for n in range(20)))
    granted = grants(vault, owners)
    gone: set[int] = set()
    for doomed in history:
        if doomed:
            vault.erase([owners[n] for n in doomed])
            gone |= doomed
    expected = [None if n in gone else grant.object_key for n, grant in enumerate(granted)]
    assert opened(vault, granted) == expected
    vault.close()

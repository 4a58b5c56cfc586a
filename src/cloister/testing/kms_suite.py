"""What every key provider must pass, example by example and as a machine with crashes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cloister.core.errors import (
    BadInput,
    Conflict,
    CopyUnavailable,
    KeyMissing,
    Locked,
    WrongPassphrase,
)
from cloister.keys.providers.seam import Credential, PassphraseKeeper
from cloister.keys.values import ShareSet

PASSPHRASE = Credential("passphrase", b"open sesame")
RECOVERY = Credential("recovery", b"twenty random bytes!")


class KeyProviderSuite:
    """Subclass it and say how a provider is opened; the same folder means the same keys."""

    def open(self, folder: Path) -> PassphraseKeeper:
        """A provider over what ``folder`` holds, as a new process would see it."""
        raise NotImplementedError

    @pytest.fixture
    def provider(self, tmp_path: Path) -> PassphraseKeeper:
        """A provider with a root, open."""
        made = self.open(tmp_path)
        made.initialise(PASSPHRASE.secret, RECOVERY.secret)
        return made

    def reopened(self, folder: Path, credential: Credential = PASSPHRASE) -> PassphraseKeeper:
        """The same keys in a new process, unlocked."""
        again = self.open(folder)
        again.unlock(credential)
        return again

    def test_key_reads_back_after_a_restart(
        self, provider: PassphraseKeeper, tmp_path: Path
    ) -> None:
        kek = provider.create(1)
        assert len(kek) == 32
        assert provider.fetch(1) == kek == self.reopened(tmp_path).fetch(1)

    def test_wiping_a_key_leaves_the_kept_one_whole(self, provider: PassphraseKeeper) -> None:
        kek = provider.create(1)
        kept = bytes(kek)
        kek[:] = bytes(32)
        assert provider.fetch(1) == kept

    def test_epochs_have_different_keys(self, provider: PassphraseKeeper) -> None:
        assert provider.create(1) != provider.create(2)
        assert list(provider.epochs()) == [1, 2]

    def test_two_keys_at_most_and_no_epoch_twice(self, provider: PassphraseKeeper) -> None:
        provider.create(1)
        with pytest.raises(Conflict):
            provider.create(1)
        provider.create(2)
        with pytest.raises(Conflict):
            provider.create(3)

    def test_destroyed_key_is_gone_after_a_restart_and_the_other_stays(
        self, provider: PassphraseKeeper, tmp_path: Path
    ) -> None:
        provider.create(1)
        stays = provider.create(2)
        receipt = provider.destroy(1)
        assert receipt.epoch == 1
        assert receipt.level in {"L0", "L1", "L2"}
        again = self.reopened(tmp_path)
        for one in (provider, again):
            assert list(one.epochs()) == [2]
            assert one.fetch(2) == stays
            with pytest.raises(KeyMissing):
                one.fetch(1)

    def test_destroying_what_is_not_there_is_no_error(self, provider: PassphraseKeeper) -> None:
        stays = provider.create(1)
        provider.destroy(7)
        assert provider.fetch(1) == stays

    def test_slot_is_free_again_after_a_destroy(self, provider: PassphraseKeeper) -> None:
        for epoch in range(1, 6):
            kek = provider.create(epoch)
            provider.destroy(epoch - 1)
            assert provider.fetch(epoch) == kek

    def test_locked_provider_gives_nothing(self, provider: PassphraseKeeper) -> None:
        provider.create(1)
        provider.lock()
        for ask in (provider.create, provider.fetch, provider.destroy):
            with pytest.raises(Locked):
                ask(1)
        with pytest.raises(Locked):
            provider.epochs()
        assert provider.health().open is False

    def test_wrong_credentials_are_refused_and_change_nothing(
        self, provider: PassphraseKeeper, tmp_path: Path
    ) -> None:
        kek = provider.create(1)
        for kind in ("passphrase", "recovery"):
            with pytest.raises(WrongPassphrase):
                self.open(tmp_path).unlock(Credential(kind, b"something else......"))
        with pytest.raises(BadInput):
            self.open(tmp_path).unlock(Credential("rubber hose", b"x"))
        assert self.reopened(tmp_path).fetch(1) == kek

    def test_no_root_is_told_from_a_wrong_passphrase(self, tmp_path: Path) -> None:
        nothing = self.open(tmp_path / "nothing")
        assert nothing.exists() is False
        assert nothing.health().open is False
        with pytest.raises(KeyMissing):
            nothing.unlock(PASSPHRASE)

    def test_root_is_made_once(self, provider: PassphraseKeeper) -> None:
        assert provider.exists()
        with pytest.raises(Conflict):
            provider.initialise(b"another", b"twenty other bytes!!")

    def test_abandoned_root_makes_room_for_a_new_one(
        self, provider: PassphraseKeeper, tmp_path: Path
    ) -> None:
        provider.create(1)
        again = self.open(tmp_path)
        again.abandon()
        assert again.exists() is False
        again.initialise(PASSPHRASE.secret, RECOVERY.secret)
        assert list(again.epochs()) == []

    def test_changed_passphrase_opens_and_the_old_one_does_not(
        self, provider: PassphraseKeeper, tmp_path: Path
    ) -> None:
        kek = provider.create(1)
        with pytest.raises(WrongPassphrase):
            provider.change_passphrase(Credential("passphrase", b"guess"), b"mine now")
        provider.change_passphrase(PASSPHRASE, b"new words")
        with pytest.raises(WrongPassphrase):
            self.open(tmp_path).unlock(PASSPHRASE)
        for credential in (Credential("passphrase", b"new words"), RECOVERY):
            assert self.reopened(tmp_path, credential).fetch(1) == kek

    def test_changed_recovery_opens_and_the_old_one_does_not(
        self, provider: PassphraseKeeper, tmp_path: Path
    ) -> None:
        kek = provider.create(1)
        assert provider.shares() is None
        new, scheme = Credential("recovery", b"twenty other bytes!!"), ShareSet(3, 5, 0x1A2B)
        with pytest.raises(WrongPassphrase):
            provider.change_recovery(Credential("passphrase", b"guess"), new.secret, scheme)
        provider.change_recovery(PASSPHRASE, new.secret, scheme)
        with pytest.raises(WrongPassphrase):
            self.open(tmp_path).unlock(RECOVERY)
        for credential in (PASSPHRASE, new):
            assert self.reopened(tmp_path, credential).fetch(1) == kek
        again = self.open(tmp_path)
        assert again.shares() == scheme
        again.change_passphrase(new, b"remembered")
        assert again.shares() == scheme
        again.change_recovery(new, RECOVERY.secret, None)
        assert self.open(tmp_path).shares() is None
        assert self.reopened(tmp_path, RECOVERY).fetch(1) == kek

    def test_root_can_be_made_with_shares(self, tmp_path: Path) -> None:
        made = self.open(tmp_path)
        made.initialise(PASSPHRASE.secret, RECOVERY.secret, ShareSet(2, 3, 7))
        assert self.open(tmp_path).shares() == ShareSet(2, 3, 7)
        self.reopened(tmp_path, RECOVERY)

    def test_mirror_that_is_gone_refuses_all_but_destroying(
        self, provider: PassphraseKeeper, tmp_path: Path
    ) -> None:
        kek = provider.create(1)
        mirror = tmp_path / "mirror"
        mirror.mkdir()
        assert list(provider.mirror(mirror)) == []
        assert provider.destroy(7).copy == "cleared"
        mirror.rename(tmp_path / "away")
        for ask in (
            lambda: provider.create(2),
            lambda: provider.change_passphrase(PASSPHRASE, b"new words"),
            lambda: provider.change_recovery(PASSPHRASE, b"x" * 20, None),
        ):
            with pytest.raises(CopyUnavailable):
                ask()
        assert list(provider.epochs()) == [1]
        assert self.reopened(tmp_path).fetch(1) == kek
        receipt = provider.destroy(1)
        assert (receipt.copy, receipt.level) == ("pending", "L0")
        assert list(provider.epochs()) == []
        (tmp_path / "away").rename(mirror)
        assert list(provider.mirror(mirror)) == [1]
        assert list(provider.mirror(mirror)) == []
        provider.mirror(None)
        assert provider.destroy(1).copy == "none"

    def test_recovery_code_sets_a_new_passphrase(
        self, provider: PassphraseKeeper, tmp_path: Path
    ) -> None:
        kek = provider.create(1)
        self.open(tmp_path).change_passphrase(RECOVERY, b"remembered")
        assert self.reopened(tmp_path, Credential("passphrase", b"remembered")).fetch(1) == kek


class KeyProviderMachine(RuleBasedStateMachine):
    """Creates, destroys and restarts in any order; a model says what must be there."""

    def open(self) -> PassphraseKeeper:
        """The same keys as a new process would see them."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[int, bytes] = {}
        self.next_epoch = 1
        self.provider = self.open()
        self.provider.initialise(PASSPHRASE.secret, RECOVERY.secret)

    @precondition(lambda self: len(self.kept) < 2)
    @rule()
    def create(self) -> None:
        self.kept[self.next_epoch] = bytes(self.provider.create(self.next_epoch))
        self.next_epoch += 1

    @rule(back=st.integers(min_value=0, max_value=3))
    def destroy(self, back: int) -> None:
        epoch = max(0, self.next_epoch - back)
        self.provider.destroy(epoch)
        self.kept.pop(epoch, None)

    @rule()
    def killed_and_started_again(self) -> None:
        self.provider = self.open()
        self.provider.unlock(PASSPHRASE)

    @invariant()
    def keeps_what_was_created_and_not_destroyed(self) -> None:
        assert list(self.provider.epochs()) == sorted(self.kept)
        for epoch, kek in self.kept.items():
            assert bytes(self.provider.fetch(epoch)) == kek

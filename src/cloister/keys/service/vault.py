"""The vault: the keys folder, closed or open, and the one place where keys end."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cloister.core.clock import Clock
from cloister.core.errors import CloisterError, Conflict, IntegrityError, KeyMissing, Locked
from cloister.core.ids import KeyId, LabId
from cloister.keys._secret import wipe
from cloister.keys.providers.seam import Credential, PassphraseKeeper
from cloister.keys.service.cache import KeyCache
from cloister.keys.service.copies import Copies
from cloister.keys.service.keyring import SERVICE_OWNER, Keyring
from cloister.keys.service.keystore import KeyStore
from cloister.keys.service.labkeys import LabKeys
from cloister.keys.service.rotation import Step, no_step, rotate, settle
from cloister.keys.service.rows import EpochSealer
from cloister.keys.values import CopyStatus, ErasureReceipt, ShareSet, distinct

_CREATING = "creating"


class Vault:
    """Everything secret, behind one lock: no key outlives the erasure that names its owner.

    Any thread may call; `create`, `unlock`, `lock`, `erase` and whatever is done inside
    `keyring` are atomic with respect to each other.
    """

    def __init__(
        self, folder: Path, provider: PassphraseKeeper, clock: Clock, on_step: Step = no_step
    ) -> None:
        self.folder = folder
        self.generation = 0
        self._path = folder / "keystore.db"
        self._provider = provider
        self._clock = clock
        self._on_step = on_step
        self._mutex = threading.RLock()
        self._unlocking = threading.Lock()
        self._store: KeyStore | None = None
        self._keyring: Keyring | None = None
        self._lab_keys: LabKeys | None = None
        self._copies: Copies | None = None
        self._cache = KeyCache(clock)

    def start(self) -> None:
        """Finds the key store of earlier days, so that even a locked service keeps its journal.

        What is wrong with it is for `unlock` to say.
        """
        with self._mutex, contextlib.suppress(KeyMissing, IntegrityError):
            if not self._unfinished():
                self._store = KeyStore.open(self._path)

    @property
    def state(self) -> str:
        """``empty``, ``locked`` or ``open``."""
        if self._keyring is not None:
            return "open"
        return "empty" if self._unfinished() else "locked"

    @property
    def epoch(self) -> int:
        """The current epoch; 0 while locked."""
        keyring = self._keyring
        return 0 if keyring is None else keyring.sealer.epoch

    @property
    def lab(self) -> str:
        """Whose keys these are; empty while that is not known."""
        return "" if self._store is None else self._store.meta("lab")

    @property
    def has_store(self) -> bool:
        """Whether `store` can be had: locked or open, but not empty."""
        return self._store is not None

    @property
    def store(self) -> KeyStore:
        """The key store, for the journal; raises Locked where there is none yet."""
        if self._store is None:
            raise _locked()
        return self._store

    @property
    def lab_keys(self) -> LabKeys:
        """The lab's own signing keys; raises Locked."""
        keys = self._lab_keys
        if keys is None:
            raise _locked()
        return keys

    def require_open(self) -> None:
        """Returns while it is open; raises Locked otherwise."""
        if self._keyring is None:
            raise _locked()

    @contextmanager
    def keyring(self) -> Iterator[Keyring]:
        """The owners' keys, held against `erase` and `lock`; raises Locked."""
        with self._mutex:
            self.require_open()
            assert self._keyring is not None
            yield self._keyring

    @contextmanager
    def copies(self) -> Iterator[Copies]:
        """The second copy, held like `keyring`; raises Locked."""
        with self._mutex:
            if self._copies is None:
                raise _locked()
            yield self._copies

    def copy_status(self) -> CopyStatus:
        """How the second copy stands, as far as that is known while locked."""
        copies = self._copies
        if copies is None:
            return Copies(self._store, self._provider).status() if self._store else CopyStatus()
        return copies.status()

    def shares(self) -> ShareSet | None:
        """How the recovery secret was split; None where it is a code, or there are no keys."""
        return None if self._unfinished() else self._provider.shares()

    def create(
        self, lab: LabId, passphrase: bytes, recovery: bytes, shares: ShareSet | None = None
    ) -> None:
        """The keys of a new lab, opened; raises Conflict when the folder holds some already."""
        with self._mutex:
            if not self._unfinished():
                raise Conflict("the keys folder holds keys already")
            self._clear_unfinished()
            self._provider.initialise(passphrase, recovery, shares)
            kek = self._provider.create(1)
            store = KeyStore.create(self._path)
            keyring = Keyring(store, EpochSealer(1, kek), self._cache)
            wipe(kek)
            with store.transaction():
                store.set_meta("lab", lab)
                store.set_meta("epoch", "1")
                keyring.add(SERVICE_OWNER)
                LabKeys.create(store, keyring.service_key(), lab, self._clock.now())
            _unlink_durably(self.folder / _CREATING)
            self._opened(store, keyring)

    def unlock(self, credential: Credential, new_passphrase: bytes | None = None) -> None:
        """Opens the keys, finishing any erasure that a crash interrupted.

        Raises WrongPassphrase, KeyMissing, Tampered. Called again while open, it only checks
        the credential.
        """
        with self._unlocking:  # half a second at least, in which nobody else has to wait
            self._provider.unlock(credential)
            if new_passphrase is not None:
                self._provider.change_passphrase(credential, new_passphrase)
        with self._mutex:
            if self._keyring is not None:
                return
            try:
                self._open()
            except BaseException:
                self.lock()
                raise

    def change_passphrase(self, old: Credential, new: bytes) -> None:
        """Replaces the passphrase; raises WrongPassphrase."""
        with self._unlocking:
            self._provider.change_passphrase(old, new)

    def change_recovery(self, owner: Credential, new: bytes, shares: ShareSet | None) -> None:
        """Replaces the recovery secret; raises WrongPassphrase."""
        with self._unlocking:
            self._provider.change_recovery(owner, new, shares)

    def lock(self) -> None:
        """Forgets every key."""
        with self._mutex:
            if self._copies is not None:
                self._copies.detach()
            self._copies = None
            self._provider.lock()
            self._cache.clear()
            if self._keyring is not None:
                self._keyring.sealer.wipe()
            self._keyring = self._lab_keys = None
            self.generation += 1

    def close(self) -> None:
        """Locks and lets go of the key store."""
        with self._mutex:
            self.lock()
            if self._store is not None:
                self._store.close()
                self._store = None

    def tend(self) -> tuple[int, ...]:
        """Drops unwrapped keys that were kept long enough, and looks after the second copy.

        Gives the epochs whose key was destroyed on a copy that had been away.
        """
        with self._mutex:
            self._cache.drop_expired()
            return () if self._copies is None else self._copies.tend()

    def erase(self, owners: Sequence[KeyId]) -> ErasureReceipt:
        """Destroys owners' keys and the epoch KEK that could open old copies of their rows.

        When it returns, no key store copy, journal or memory of this process opens them.
        Raises KeyMissing, before anything changed, for an unknown owner, and CopyUnavailable
        while the second copy cannot be reached.
        """
        with self.keyring() as keyring, self.copies() as copies:
            store, old, names = keyring.store, keyring.sealer, distinct(owners)
            rows = store.owners(names)
            if unknown := [name for name in names if name not in rows]:
                raise KeyMissing(f"the key service knows no {unknown[0]}; nothing was erased")
            doomed = [name for name in names if rows[name].sealed is not None]
            store.ready_copy()
            self._cache.clear()
            keyring.forget_identities()
            self.generation += 1
            try:
                new, receipt = rotate(store, self._provider, old, doomed, self._on_step)
            except BaseException:
                if not _still_in(store, old.epoch):
                    self.lock()  # which epoch is true is for `unlock` to find out
                raise
            keyring.sealer = new
            old.wipe()
            receipt = copies.judge(receipt)
            return ErasureReceipt(
                epoch_before=old.epoch,
                epoch_after=new.epoch,
                destroyed=len(doomed),
                already=len(names) - len(doomed),
                survivors=store.live_owners() - 1,  # the service's own key is nobody's
                level=receipt.level,
                receipt=receipt.text,
                copy=receipt.copy,
            )

    def _open(self) -> None:
        store = self._store or KeyStore.open(self._path)
        self._store = store
        settle(store, self._provider)
        kek = self._provider.fetch(store.epoch)
        sealer = EpochSealer(store.epoch, kek)
        wipe(kek)
        self._opened(store, Keyring(store, sealer, self._cache))

    def _opened(self, store: KeyStore, keyring: Keyring) -> None:
        self._lab_keys = LabKeys.load(store, keyring.service_key(), store.meta("lab"))
        self._copies = Copies(store, self._provider)
        self._copies.attach()
        self._store, self._keyring = store, keyring

    def _unfinished(self) -> bool:
        """Whether there are no keys, or only what a killed `create` left behind."""
        if (self.folder / _CREATING).exists():
            return True
        return not (self._provider.exists() or self._path.exists())

    def _clear_unfinished(self) -> None:
        (self.folder / _CREATING).touch(mode=0o600)
        self._provider.abandon()
        for path in self.folder.glob("keystore.db*"):
            path.unlink()


def _still_in(store: KeyStore, epoch: int) -> bool:
    """Whether a failed erasure changed nothing, for certain."""
    try:
        return store.epoch == epoch
    except CloisterError:
        return False


def _unlink_durably(path: Path) -> None:
    path.unlink()
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked() -> Locked:
    return Locked("the keys are locked", hint="unlock them: cloister unlock")

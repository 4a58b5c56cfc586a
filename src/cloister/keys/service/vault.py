"""The vault: owners' keys in use, and the one place they change."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

from cloister.core.clock import Clock
from cloister.core.errors import (
    BadInput,
    Conflict,
    Erased,
    IntegrityError,
    KeyMissing,
    Locked,
)
from cloister.core.ids import CollectionId, KeyId, LabId, RunId, SubjectId
from cloister.core.values import KeyGrant, KeyRef
from cloister.keys.providers.seam import Credential, PassphraseKeeper
from cloister.keys.service.cache import KeyCache
from cloister.keys.service.keystore import KeyStore, OwnerRow
from cloister.keys.service.labkeys import LabKeys
from cloister.keys.service.rotation import Step, no_step, rotate, settle
from cloister.keys.service.rows import EpochSealer, OwnerKey, Secret
from cloister.keys.values import (
    ErasureReceipt,
    Fingerprint,
    Grant,
    GrantRequest,
    distinct,
)

_CREATING = "creating"
_SERVICE_OWNER = "key_service"
_KINDS: dict[str, type[KeyId]] = {
    kind.prefix: kind for kind in (SubjectId, CollectionId, RunId)
}


class Vault:
    """Everything secret, behind one lock: no key outlives the erasure that names its owner.

    Methods may be called from any thread; each is atomic with respect to `erase` and `lock`.
    All but `create`, `unlock`, `state` and `lock` raise Locked while there is no epoch KEK.
    """

    def __init__(
        self, folder: Path, provider: PassphraseKeeper, clock: Clock, on_step: Step = no_step
    ) -> None:
        self.folder = folder
        self._provider = provider
        self._clock = clock
        self._on_step = on_step
        self._mutex = threading.RLock()
        self._store: KeyStore | None = None
        self._sealer: EpochSealer | None = None
        self._lab_keys: LabKeys | None = None
        self._cache = KeyCache(clock)
        self._generation = 0

    @property
    def state(self) -> str:
        """``empty``, ``locked`` or ``open``."""
        with self._mutex:
            if self._sealer is not None:
                return "open"
            return "empty" if self._unfinished() else "locked"

    @property
    def generation(self) -> int:
        """Grows with every erasure and lock."""
        return self._generation

    @property
    def epoch(self) -> int:
        """The current epoch; 0 while locked."""
        with self._mutex:
            return 0 if self._sealer is None else self._sealer.epoch

    @property
    def lab(self) -> str:
        """Whose keys these are; empty while that is not known."""
        with self._mutex:
            return "" if self._store is None else self._store.meta("lab")

    @property
    def store(self) -> KeyStore:
        """The key store, for the journal; raises Locked before the first unlock."""
        with self._mutex:
            if self._store is None:
                raise _locked()
            return self._store

    @property
    def has_store(self) -> bool:
        """Whether `store` can be had: locked or open, but not empty."""
        return self._store is not None

    def require_open(self) -> None:
        """Returns while there is an epoch KEK; raises Locked otherwise."""
        with self._mutex:
            self._opened()

    def start(self) -> None:
        """Finds the key store of earlier days, so that even a locked service keeps its journal.

        What is wrong with it is for `unlock` to say.
        """
        with self._mutex, contextlib.suppress(KeyMissing, IntegrityError):
            if not self._unfinished():
                self._store = KeyStore.open(self.folder / "keystore.db")

    @property
    def lab_keys(self) -> LabKeys:
        """The lab's own signing keys; raises Locked."""
        with self._mutex:
            if self._lab_keys is None:
                raise _locked()
            return self._lab_keys

    def create(self, lab: LabId, passphrase: bytes, recovery: bytes) -> None:
        """The keys of a new lab, opened; raises Conflict when the folder holds some already."""
        with self._mutex:
            if not self._unfinished():
                raise Conflict("the keys folder holds keys already")
            self._clear_unfinished()
            self._provider.initialise(passphrase, recovery)
            kek = self._provider.create(1)
            self._store = KeyStore.create(self.folder / "keystore.db")
            self._sealer = EpochSealer(1, kek)
            with self._store.transaction():
                self._store.set_meta("lab", lab)
                self._store.set_meta("epoch", "1")
                service_key = self._add_owner(_SERVICE_OWNER, None)
                LabKeys.create(self._store, service_key, lab, self._clock.now())
            self._lab_keys = LabKeys.load(self._store, service_key, lab)
            _unlink_durably(self.folder / _CREATING)

    def unlock(self, credential: Credential, new_passphrase: bytes | None = None) -> None:
        """Opens the keys, finishing any erasure that a crash interrupted.

        Raises WrongPassphrase, KeyMissing, Tampered. Called again while open, it only checks
        the credential.
        """
        with self._mutex:
            self._provider.unlock(credential)
            if new_passphrase is not None:
                self._provider.change_passphrase(credential, new_passphrase)
            if self._sealer is not None:
                return
            try:
                self._open()
            except BaseException:
                self.lock()
                raise

    def change_passphrase(self, old: Credential, new: bytes) -> None:
        """Replaces the passphrase; raises WrongPassphrase."""
        with self._mutex:
            self._provider.change_passphrase(old, new)

    def lock(self) -> None:
        """Forgets every key."""
        with self._mutex:
            self._provider.lock()
            self._sealer = self._lab_keys = None
            self._cache.clear()
            self._generation += 1

    def close(self) -> None:
        """Locks and lets go of the key store."""
        with self._mutex:
            self.lock()
            if self._store is not None:
                self._store.close()
                self._store = None

    def forget_expired(self) -> None:
        """Drops unwrapped keys that were kept long enough."""
        with self._mutex:
            self._cache.drop_expired()

    def subjects(self, identities: Sequence[tuple[str, str]], create: bool) -> list[str | None]:
        """The subject of each identity; new ones are durable on return."""
        with self._mutex:
            sealer = self._opened()
            macs = [sealer.mac(identity) for identity in identities]
            found = {mac: self.store.owner_by_mac(mac) for mac in macs}
            if create:
                new = {
                    mac: identity
                    for mac, identity in zip(macs, identities, strict=True)
                    if found[mac] is None
                }
                found.update(self._add_subjects(new))
            return [found[mac] for mac in macs]

    def identities(self, owners: Sequence[KeyId]) -> list[tuple[str, str] | None]:
        """Who each subject is; None where that was erased or never known."""
        with self._mutex:
            return [self._identity(owner) for owner in owners]

    def new_owner(self, kind: str) -> str:
        """A fresh key of this kind, durable on return."""
        if kind not in _KINDS:
            raise BadInput(f"no kind of key owner is called {kind[:8]!r}")
        with self._mutex:
            name = _KINDS[kind].new(secrets.token_bytes)
            with self.store.transaction():
                self._add_owner(name, None)
            return name

    def grants(self, requests: Sequence[GrantRequest]) -> list[Grant]:
        """A fresh object key for each; raises Erased, KeyMissing."""
        with self._mutex:
            self._opened()
            random = memoryview(os.urandom(60 * len(requests)))
            return [
                self._grant(request, bytes(random[at : at + 60]))
                for request, at in zip(requests, range(0, 60 * len(requests), 60), strict=True)
            ]

    def remember(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Keeps keyed fingerprints; they survive a kill; a power failure costs duplicates."""
        with self._mutex:
            self._opened()
            rows = [
                (entry.owner, self._live(entry.owner).fingerprint(entry.sha256), entry.name)
                for entry in fingerprints
            ]
            with self.store.transaction(durable=False):
                self.store.add_fingerprints(rows)

    def open(self, refs: Sequence[KeyRef]) -> list[bytes | None]:
        """Object keys; None where the owner was erased. Raises Tampered, KeyMissing."""
        with self._mutex:
            self._opened()
            keys: list[bytes | None] = []
            for ref in refs:
                owner = self._owner_key(ref.owner)
                keys.append(None if owner is None else owner.unwrap(ref))
            return keys

    def rewrap(self, refs: Sequence[KeyRef], owner: KeyId) -> list[bytes]:
        """The same object keys wrapped under another owner; raises Erased, Tampered."""
        with self._mutex:
            self._opened()
            to = self._live(owner)
            return [
                to.wrap(self._live(ref.owner).unwrap(ref), ref.seal_id, os.urandom(12))
                for ref in refs
            ]

    def erase(self, owners: Sequence[KeyId]) -> ErasureReceipt:
        """Destroys owners' keys and the epoch KEK that could open old copies of their rows.

        When it returns, no key store copy, journal or memory of this process opens them.
        Raises KeyMissing, before anything changed, for an unknown owner.
        """
        with self._mutex:
            sealer, names = self._opened(), distinct(owners)
            rows = {name: self.store.owner(name) for name in names}
            if unknown := [name for name, row in rows.items() if row is None]:
                raise KeyMissing(f"the key service knows no {unknown[0]}; nothing was erased")
            doomed = [name for name, row in rows.items() if row and row.sealed is not None]
            self._cache.clear()
            self._generation += 1
            try:
                self._sealer, receipt = rotate(
                    self.store, self._provider, sealer, doomed, self._on_step
                )
            except BaseException:
                self.lock()  # which epoch is true is for `unlock` to find out
                raise
            return ErasureReceipt(
                epoch_before=sealer.epoch,
                epoch_after=self._sealer.epoch,
                destroyed=len(doomed),
                already=len(names) - len(doomed),
                survivors=self.store.live_owners() - 1,  # the service's own key is nobody's
                level=receipt.level,
                receipt=receipt.text,
            )

    def opens(self, owner: str, sealed: bytes) -> bool:
        """Whether a row of any key store opens with today's KEK."""
        with self._mutex:
            return self._opened().opens(owner, sealed)

    def _open(self) -> None:
        if self._store is None:
            self._store = KeyStore.open(self.folder / "keystore.db")
        settle(self._store, self._provider)
        epoch = self._store.epoch
        self._sealer = EpochSealer(epoch, self._provider.fetch(epoch))
        service_key = self._live(_SERVICE_OWNER)
        self._lab_keys = LabKeys.load(self._store, service_key, self._store.meta("lab"))

    def _opened(self) -> EpochSealer:
        if self._sealer is None:
            raise _locked()
        return self._sealer

    def _grant(self, request: GrantRequest, random: bytes) -> Grant:
        owner, duplicate = self._live(request.owner), None
        if request.fingerprint_of is not None:
            mac = owner.fingerprint(request.fingerprint_of)
            duplicate = self.store.fingerprint(request.owner, mac)
        object_key, seal_id, nonce = random[:32], random[32:48], random[48:]
        wrap = owner.wrap(object_key, seal_id, nonce)
        return Grant(KeyGrant(request.owner, seal_id, object_key, wrap), duplicate)

    def _live(self, owner: str) -> OwnerKey:
        key = self._owner_key(owner)
        if key is None:
            raise Erased(f"the key of {owner} was destroyed")
        return key

    def _owner_key(self, owner: str) -> OwnerKey | None:
        """The owner's key, from the cache or its row; None once it was destroyed."""
        key = self._cache.get(owner)
        if key is None:
            row = self._row(owner)
            if row.sealed is None:
                return None
            key = OwnerKey(owner, self._opened().open(owner, row.sealed).key)
            self._cache.put(owner, key)
        return key

    def _row(self, owner: str) -> OwnerRow:
        row = self.store.owner(owner)
        if row is None:
            raise KeyMissing(
                f"the key service knows no {owner}",
                hint="the key store may be older than the lab: restore its latest copy",
            )
        return row

    def _identity(self, owner: str) -> tuple[str, str] | None:
        sealer, row = self._opened(), self._row(owner)
        return None if row.sealed is None else sealer.open(owner, row.sealed).identity

    def _add_subjects(self, new: dict[bytes, tuple[str, str]]) -> dict[bytes, str]:
        names = {mac: SubjectId.new(secrets.token_bytes) for mac in new}
        if names:
            sealer = self._opened()
            with self.store.transaction():
                self.store.add_owners(
                    OwnerRow(name, sealer.seal(name, _fresh(new[mac])), mac)
                    for mac, name in names.items()
                )
        return dict(names)

    def _add_owner(self, name: str, identity: tuple[str, str] | None) -> OwnerKey:
        secret = _fresh(identity)
        self.store.add_owners([OwnerRow(name, self._opened().seal(name, secret), None)])
        return OwnerKey(name, secret.key)

    def _unfinished(self) -> bool:
        """Whether there are no keys, or only what a killed `create` left behind."""
        return (self.folder / _CREATING).exists() or not (
            self._provider.exists() or (self.folder / "keystore.db").exists()
        )

    def _clear_unfinished(self) -> None:
        (self.folder / _CREATING).touch(mode=0o600)
        for name in ("root.record", "epoch.record", "keystore.db"):
            for path in self.folder.glob(name + "*"):
                path.unlink()


def _fresh(identity: tuple[str, str] | None) -> Secret:
    return Secret(secrets.token_bytes(32), identity)


def _unlink_durably(path: Path) -> None:
    path.unlink()
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked() -> Locked:
    return Locked("the keys are locked", hint="unlock them: cloister unlock")

"""A key provider in memory: the same refusals as a real one, no disk and no slow hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cloister.core.errors import (
    BadInput,
    Conflict,
    CopyUnavailable,
    KeyMissing,
    Locked,
    WrongPassphrase,
)
from cloister.keys.providers import Credential, DestroyReceipt, ProviderHealth
from cloister.keys.values import ShareSet


@dataclass(slots=True)
class MemoryMedium:
    """What survives when a provider is opened anew: the fake's disk."""

    secrets: dict[str, bytes] = field(default_factory=dict)
    keks: dict[int, bytes] = field(default_factory=dict)
    shares: ShareSet | None = None
    mirrors: dict[Path, tuple[dict[str, bytes], dict[int, bytes]]] = field(default_factory=dict)
    """What was written for each folder; a folder that is not there cannot be written."""


class MemoryProvider:
    """A `PassphraseKeeper` over a `MemoryMedium`."""

    def __init__(self, medium: MemoryMedium, randomness: int = 0) -> None:
        self._medium = medium
        self._seed = randomness
        self._open = False
        self._mirror: Path | None = None

    def exists(self) -> bool:
        """See `PassphraseRoot`."""
        return bool(self._medium.secrets)

    def initialise(
        self, passphrase: bytes, recovery: bytes, shares: ShareSet | None = None
    ) -> None:
        """See `PassphraseRoot`."""
        if self.exists():
            raise Conflict("the provider holds a root already")
        self._medium.shares = shares
        self._medium.secrets = {"passphrase": passphrase, "recovery": recovery}
        self._open = True

    def abandon(self) -> None:
        """See `PassphraseRoot`."""
        self._open = False
        self._medium.secrets.clear()
        self._medium.keks.clear()

    def unlock(self, credential: Credential) -> None:
        """See `EpochKeeper`."""
        self._check(credential)
        self._open = True

    def lock(self) -> None:
        """See `EpochKeeper`."""
        self._open = False

    def change_passphrase(self, credential: Credential, new: bytes) -> None:
        """See `PassphraseRoot`."""
        self._check(credential)
        self._reach()
        self._medium.secrets["passphrase"] = new
        self._copy()

    def change_recovery(
        self, credential: Credential, new: bytes, shares: ShareSet | None
    ) -> None:
        """See `PassphraseRoot`."""
        self._check(credential)
        self._reach()
        self._medium.secrets["recovery"] = new
        self._medium.shares = shares
        self._copy()

    def shares(self) -> ShareSet | None:
        """See `PassphraseRoot`."""
        if not self.exists():
            raise KeyMissing("there is no root")
        return self._medium.shares

    def mirror(self, folder: Path | None) -> list[int]:
        """See `PassphraseRoot`."""
        self._mirror = folder
        if folder is None:
            return []
        self._reach()
        _, before = self._medium.mirrors.get(folder, ({}, {}))
        self._copy()
        return sorted(before.keys() - self._medium.keks.keys())

    def create(self, epoch: int) -> bytearray:
        """See `EpochKeeper`."""
        self._require_open()
        if epoch in self._medium.keks or len(self._medium.keks) == 2:
            raise Conflict(f"epoch {epoch} exists already, or two are kept")
        self._reach()
        kek = hashlib.sha256(b"%d %d" % (self._seed, epoch)).digest()
        self._medium.keks[epoch] = kek
        self._copy()
        return bytearray(kek)

    def fetch(self, epoch: int) -> bytearray:
        """See `EpochKeeper`."""
        self._require_open()
        if epoch not in self._medium.keks:
            raise KeyMissing(f"no key of epoch {epoch}")
        return bytearray(self._medium.keks[epoch])

    def destroy(self, epoch: int) -> DestroyReceipt:
        """See `EpochKeeper`."""
        self._require_open()
        self._medium.keks.pop(epoch, None)
        copy = "none"
        if self._mirror is not None:
            copy = "cleared" if self._mirror.is_dir() else "pending"
        if copy == "cleared":
            self._copy()
        return DestroyReceipt(epoch, "L0", f"epoch {epoch}: dropped from memory", copy)

    def epochs(self) -> list[int]:
        """See `EpochKeeper`."""
        self._require_open()
        return sorted(self._medium.keks)

    def health(self) -> ProviderHealth:
        """See `EpochKeeper`."""
        return ProviderHealth("memory:", self._open)

    def _check(self, credential: Credential) -> None:
        if not self.exists():
            raise KeyMissing("there is no root")
        known = self._medium.secrets.get(credential.kind)
        if known is None:
            raise BadInput(f"no credential of kind {credential.kind}")
        if known != credential.secret:
            raise WrongPassphrase(f"this {credential.kind} does not open the root")

    def _reach(self) -> None:
        if self._mirror is not None and not self._mirror.is_dir():
            raise CopyUnavailable("the mirror is not there; nothing was changed")

    def _copy(self) -> None:
        if self._mirror is not None:
            state = (dict(self._medium.secrets), dict(self._medium.keks))
            self._medium.mirrors[self._mirror] = state

    def _require_open(self) -> None:
        if not self._open:
            raise Locked("the provider is locked")

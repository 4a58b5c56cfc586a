"""The KMS seam: who keeps the one secret that everything else hangs from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cloister.keys.values import ShareSet


@dataclass(frozen=True, slots=True)
class Credential:
    """What opens a provider: a passphrase, a recovery code's secret, a PIN, a token."""

    kind: str
    """``passphrase`` or ``recovery``; a provider refuses kinds it does not know."""
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DestroyReceipt:
    """What was done to destroy an epoch KEK, and what may remain."""

    epoch: int
    level: str
    """``L2`` destroyed in hardware, ``L1`` overwritten in place, ``L0`` unlinked only."""
    text: str
    copy: str = "none"
    """What became of it on the second copy: ``none`` kept, ``cleared``, or ``pending``."""


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """Which provider it is, and whether it answers now."""

    provider: str
    open: bool


class EpochKeeper(Protocol):
    """Keeps epoch KEKs (32 bytes, the caller's to wipe): one, or two while an epoch changes.

    Guarantees every provider gives: `create` and `destroy` are durable when they return and
    atomic across a crash (a KEK is there whole, or not at all); `fetch` gives exactly the bytes
    `create` gave, or raises; once `destroy` returned, no call and no later copy of the
    provider's own storage gives that KEK again. Calls come from one thread at a time, but
    for `unlock` and a change of passphrase, which may run beside any; they are not retried by
    the caller: a provider over a network retries inside. All but `unlock`,
    `lock` and `health` raise Locked before `unlock`.
    """

    def unlock(self, credential: Credential) -> None:
        """Makes the other verbs work; raises WrongPassphrase, KeyMissing, Tampered."""

    def lock(self) -> None:
        """Forgets everything `unlock` learnt."""

    def create(self, epoch: int) -> bytearray:
        """A fresh KEK for this epoch; raises Conflict when two are kept already."""

    def fetch(self, epoch: int) -> bytearray:
        """The KEK of this epoch, read back from where it is kept.

        Raises KeyMissing when it was destroyed or never made, Tampered when it is damaged.
        """

    def destroy(self, epoch: int) -> DestroyReceipt:
        """Makes this epoch's KEK unrecoverable; destroying what is not there is no error."""

    def epochs(self) -> Sequence[int]:
        """The epochs whose KEK is kept, lowest first."""

    def health(self) -> ProviderHealth:
        """Capabilities and state; never raises for a closed or absent provider."""


class PassphraseRoot(Protocol):
    """What a provider opened with a passphrase can do besides.

    Guarantees: each verb is durable when it returns and atomic across a crash. While a
    mirror is kept, what a verb writes is in both places when it returns; only `destroy`
    goes on without the mirror, and says so in its receipt.
    """

    def exists(self) -> bool:
        """Whether there is a root to open."""

    def initialise(
        self, passphrase: bytes, recovery: bytes, shares: ShareSet | None = None
    ) -> None:
        """A new root that both secrets open, opened; raises Conflict if one exists."""

    def abandon(self) -> None:
        """Removes a root that nothing was ever sealed under, so that `initialise` may run."""

    def change_passphrase(self, credential: Credential, new: bytes) -> None:
        """Lets ``new`` open the root in the old passphrase's place; recovery stays."""

    def change_recovery(
        self, credential: Credential, new: bytes, shares: ShareSet | None
    ) -> None:
        """Lets ``new`` open the root in the old recovery secret's place."""

    def shares(self) -> ShareSet | None:
        """How the recovery secret was split, locked or not; raises KeyMissing, Tampered."""

    def mirror(self, folder: Path | None) -> Sequence[int]:
        """Keeps its own records in ``folder`` as well, from now on; None: no longer.

        What lies there is brought to the state of its own, in place; gives the epochs whose
        KEK that destroyed there. Raises CopyUnavailable.
        """


class PassphraseKeeper(EpochKeeper, PassphraseRoot, Protocol):
    """A provider that keeps epoch KEKs under a passphrase."""

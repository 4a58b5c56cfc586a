"""Values the key service and its clients exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cloister.core.ids import KeyId
from cloister.core.values import KeyGrant

ALL_VERBS: frozenset[str] = frozenset(
    {
        "subjects",  # (issuer, local id) -> SubjectId, creating it if asked
        "identities",  # SubjectId -> (issuer, local id)
        "recognise",  # words of a text -> SubjectId, where a word is somebody's local id
        "owners",  # new keys for runs, collections and provisional subjects
        "grants",  # fresh object keys
        "remember",  # fingerprints for duplicate search
        "open",  # object keys back from their wraps
        "rewrap",  # an object key from one owner to another
        "sign-log",
        "sign-statement",
        "certificate",  # TLS certificates under the lab's CA
        "erase",
        "journal",
        "copy",  # say where the second copy is, and let go of it
        "probe",  # try another key store's rows with today's KEK
        "lease",  # narrower leases
        "lock",
        "stop",
    }
)
"""Everything a lease can permit."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to ask the key service for some verbs, for some owners, for some time."""

    token: bytes = field(repr=False)
    """32 random bytes; whoever shows them from a permitted uid holds the lease."""
    purpose: str
    verbs: frozenset[str]
    owners: frozenset[KeyId] | None
    """None: every owner."""
    lifetime_s: int | None
    """None: until the key service locks or stops."""
    generation: int
    """How often keys had been erased when it was granted."""


@dataclass(frozen=True, slots=True)
class ShareSet:
    """How a recovery secret was split (SLIP-39): any ``threshold`` of ``count`` give it."""

    threshold: int
    count: int
    number: int
    """15 random bits that all shares of one split carry; on paper four hex digits."""

    @property
    def name(self) -> str:
        """As it stands on every sheet."""
        return f"{self.number:04X}"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opens the keys when the passphrase is lost: one code, or shares."""

    code: str = field(repr=False)
    """Empty where it was split."""
    shares: ShareSet | None = None
    words: tuple[str, ...] = field(default=(), repr=False)
    """Of each share, 23."""


@dataclass(frozen=True, slots=True)
class CopyStatus:
    """How the second copy of the keys stands."""

    state: str = "none"
    """``none``, ``kept``, ``suspended`` (by order) or ``unreachable``."""
    folder: str = ""
    id: str = ""
    why: str = ""
    """What keeps it from being reached."""
    cleared: tuple[int, ...] = ()
    """Epochs whose key it still held and that this request destroyed there."""


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """What the key service says of itself without a lease."""

    state: str
    """``empty``, ``locked`` or ``open``."""
    epoch: int
    generation: int
    """Grows with each erasure and each lock: what was cached under a lower one is stale."""
    development_seal: bool
    """It runs as the same OS user as its client: no wall between them but leases."""
    lab: str
    pid: int
    memory_locked: bool
    """Its pages cannot reach swap."""
    shares: ShareSet | None = None
    """How the recovery secret was split; None where it is one code."""
    copy: CopyStatus = CopyStatus()


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """Asks for a fresh object key under one owner."""

    owner: KeyId
    fingerprint_of: bytes | None = None
    """SHA-256 of the plaintext, to learn of a duplicate of the same owner."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A fresh object key, and the object that already holds this plaintext, if any."""

    key: KeyGrant
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What to remember once an object is durable: its owner, plaintext SHA-256 and name."""

    owner: KeyId
    sha256: bytes
    name: str


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What one erasure destroyed, how surely, and what is left."""

    epoch_before: int
    epoch_after: int
    destroyed: int
    """Keys destroyed by this call."""
    already: int
    """Owners asked for whose keys had been destroyed before."""
    survivors: int
    level: str
    """``L2`` destroyed in hardware, ``L1`` overwritten in place, ``L0`` unlinked only."""
    receipt: str
    """The provider's own words on what it did and what may remain."""
    copy: str = "none"
    """Of the old epoch key on the second copy: ``none`` kept, ``cleared``, or ``pending``."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One request the key service answered or refused; `digest` chains to the one before."""

    number: int
    time: str
    uid: int
    purpose: str
    verb: str
    outcome: str
    """``ok``, or the code of the error that was answered."""
    count: int
    owners: tuple[str, ...]
    """Random ids only."""
    digest: bytes


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How much of a key store the key service can open today."""

    total: int
    opened: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """A TLS certificate and its private key, as PEM."""

    chain_pem: bytes
    key_pem: bytes = field(repr=False)


def distinct(owners: Sequence[KeyId]) -> list[KeyId]:
    """The owners once each, in the order they first appear."""
    return list(dict.fromkeys(owners))

"""Values that cross boundaries: frozen, and complete enough to be passed on alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cloister.core.ids import KeyId, PersonId

LOCAL = "local"
"""This machine, among those that work may be done on."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and how we know."""

    person: PersonId
    role: str
    via: str
    """``peer:<uid>`` for a local process, ``token:<id>`` or ``session:<id>`` over HTTPS."""
    projects: frozenset[str] | None = None
    """Whose objects they see; None for all of them."""
    scopes: frozenset[str] | None = None
    """The actions a token is limited to; None for all that the role may do."""
    present: bool = True
    """The person themselves showed who they are, just now; a token never does."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What policy said; the reason goes into the event."""

    allowed: bool
    reason: str
    hidden: bool = False
    """Refused because it is another project's: whoever asks must not learn that it exists."""


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """A fresh object key and its wrap, as the key service hands them out."""

    owner: KeyId
    seal_id: bytes
    """16 random bytes that name the seal; bound into every frame and into the wrap."""
    object_key: bytes = field(repr=False)
    """32 bytes; lives in memory only."""
    wrap: bytes
    """The object key under its owner's key: safe to store anywhere."""


@dataclass(frozen=True, slots=True)
class KeyRef:
    """What must be shown to the key service to get an object key back."""

    owner: KeyId
    seal_id: bytes
    wrap: bytes


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A sealed object: named by the SHA-256 of its sealed bytes, hex."""

    name: str
    size_bytes: int
    """Of the sealed bytes."""
    key: KeyRef


class FenceLevel(StrEnum):
    """What the kernel enforced around a job, strongest first."""

    FULL = "full"
    """Namespaces, new root, seccomp and Landlock."""
    PARTIAL = "partial"
    """Landlock and seccomp only: INET sockets refused, the host's root visible read-only."""
    NONE = "none"
    """Nothing: only where it was asked for by name."""


@dataclass(frozen=True, slots=True)
class FenceReport:
    """What the fence did during one job."""

    level: FenceLevel
    exit_status: int
    """The job's own; 128 + n when signal n ended it."""
    network_attempts: int
    """Packets or connections the kernel found no route for."""
    refused_syscalls: Mapping[str, int]
    """Name -> how often it was refused."""
    setup_ms: int
    wall_ms: int
    peak_memory_bytes: int
    notes: tuple[str, ...] = ()
    """Why the level is not FULL, and what the host's admin can do."""


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What is known of one record without reading its bytes; checks take these."""

    record: str
    subject: str | None
    kind: str
    size_bytes: int
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Digest:
    """A name and the SHA-256, hex, of what it names."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class HubModel:
    """A pretrained model as it was given to a run."""

    name: str
    """As ``from_pretrained`` knows it: ``bert-base`` or ``org/name``."""
    sha256: str
    """Of its manifest: the paths and digests of all its files, and its licence."""
    license: str


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a converted model was from its original, on the same rows."""

    rows: int
    held_out: bool
    """The rows were the user's; else they were made up from what the model takes."""
    compared: int
    """How many rows had a label, or a largest of several numbers, to compare."""
    agreed: int
    max_abs: str
    """Decimal, for what is signed holds no fractions."""
    max_rel: str
    """The largest difference relative to the greater of 1 and the original's value."""
    tolerance: str
    """Of ``max_rel``, as it was declared before the conversion."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The run that trained what another run converted, and the comparison of the two."""

    run: str
    output: str
    """Salted commitment to the file that was converted."""
    command_commitment: str
    code: str
    environment: str
    settings: Mapping[str, str]
    started: str
    finished: str
    fence: FenceReport
    converter: str
    parity: Parity


@dataclass(frozen=True, slots=True)
class Closure:
    """Everything that made a model: what a statement attests and a bundle carries."""

    lab: str
    run: str
    model: Digest
    command_commitment: str
    versions: tuple[Digest, ...]
    """Dataset versions read: ``name@number`` and Merkle root."""
    code: Digest
    environment: Digest
    settings: Mapping[str, str]
    """Seeds, threads, ISA caps, CPU: what a replay must re-impose."""
    started: str
    finished: str
    fence: FenceReport
    ledger_indices: tuple[int, ...]
    """Where the ledger says so."""
    companions: tuple[Digest, ...] = ()
    """Further models the same run made, covered by the same statement."""
    outputs: tuple[str, ...] = ()
    """Salted commitments, hex, of every captured output in order, models included."""
    hub: tuple[HubModel, ...] = ()
    """Pretrained models that the run was given."""
    origin: Origin | None = None
    """For a conversion: what was converted, and how well."""

"""The erasure certificate: what was destroyed, to which level, what remains and why.

An in-toto Statement v1 with our own predicate (docs/formats/erasure-certificate.md). It names
pseudonyms only, so it can outlive the patient's data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cloister.core.canonical import Json, canonical
from cloister.core.errors import NotVerified
from cloister.core.ids import OperationId, PersonId, SubjectId
from cloister.core.signing import PublicKey, Signer, Verifier
from cloister.proof.documents import Fields, read_document
from cloister.proof.dsse import open_envelope, sign_envelope
from cloister.proof.statement import STATEMENT_TYPE

PREDICATE_TYPE = "urn:cloister:erasure:v1"
LEVELS: Mapping[str, str] = {
    "L0": "marked as erased; the key still exists and could be used again",
    "L1": (
        "the only record of the old epoch key was overwritten in place and flushed, on every"
        " copy the lab keeps; a remnant may stay on the storage medium until it discards the"
        " old block, and whoever recovers it, an older key store and the passphrase could"
        " derive the erased keys"
    ),
    "L2": "the old epoch key was destroyed inside a module that cannot export it",
}


@dataclass(frozen=True, slots=True)
class KeyDestruction:
    """What the key service did."""

    level: str
    epoch_before: int
    epoch_after: int
    destroyed: int
    survivors: int
    receipt: str

    def body(self) -> dict[str, Json]:
        """As the certificate holds it; the ledger's ``erase.completed`` must agree."""
        return {
            "destroyed": self.destroyed,
            "epoch_after": self.epoch_after,
            "epoch_before": self.epoch_before,
            "level": self.level,
            "receipt": self.receipt,
            "survivors": self.survivors,
        }


@dataclass(frozen=True, slots=True)
class Inventory:
    """How much was made unreadable or touched; pseudonyms and models are counted apart."""

    records: int = 0
    labels: int = 0
    versions: int = 0
    runs: int = 0
    outputs: int = 0
    predictions: int = 0


@dataclass(frozen=True, slots=True)
class TouchedModel:
    """A model that was trained on the erased data."""

    sha256: str
    run: str
    disposition: str = "tainted"
    """``tainted``, ``withdrawn``, ``retrained`` or ``kept``."""


@dataclass(frozen=True, slots=True)
class Remainder:
    """Something that still exists, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Probe:
    """An attempt to read, after the erasure."""

    what: str
    tried: int
    opened: int
    expected: int
    """How many an erasure lets open: none of the subject's, all of a control group's."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One erasure."""

    lab: str
    operation: OperationId
    subjects: tuple[SubjectId, ...]
    """All pseudonyms of the patient, in the order of ``erase.intended``."""
    time: str
    reason: str
    approvers: tuple[PersonId, ...]
    keys: KeyDestruction
    inventory: Inventory
    models: tuple[TouchedModel, ...]
    remains: tuple[Remainder, ...]
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class SignedCertificate:
    """A certificate inside its envelope."""

    certificate: Certificate
    payload: bytes
    envelope: bytes

    @property
    def sha256(self) -> str:
        """Of the payload."""
        return hashlib.sha256(self.payload).hexdigest()


def sign_certificate(certificate: Certificate, signer: Signer) -> SignedCertificate:
    """Certifies an erasure under the lab's statement key.

    Raises NotVerified when a probe did not find what an erasure leaves: nothing is certified
    that was not so. Raises KeysUnavailable.
    """
    _check(certificate)
    payload = canonical(_document(certificate))
    return SignedCertificate(certificate, payload, sign_envelope(payload, signer))


def verify_certificate(envelope: bytes, key: PublicKey, verify: Verifier) -> Certificate:
    """The certificate that ``key`` signed; raises NotVerified for anything else."""
    payload = open_envelope(envelope, key, verify)
    certificate = _certificate(Fields(read_document(payload, "the certificate"), "certificate"))
    _check(certificate)
    if canonical(_document(certificate)) != payload:
        raise NotVerified("the certificate is of another type, or holds unknown fields")
    return certificate


def _check(certificate: Certificate) -> None:
    for probe in certificate.probes:
        if probe.opened != probe.expected or probe.opened > probe.tried:
            raise NotVerified(
                f"the erasure cannot be certified: {probe.what}: expected {probe.expected} of"
                f" {probe.tried} to open, found {probe.opened}"
            )
    if certificate.keys.level not in LEVELS or not certificate.subjects:
        raise NotVerified("the erasure cannot be certified: no level, or nobody was erased")


def _document(certificate: Certificate) -> dict[str, Json]:
    inventory = certificate.inventory
    keys = certificate.keys
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            # in-toto demands a digest of every subject; a random name is all there is
            {"name": name, "digest": {"sha256": hashlib.sha256(name.encode()).hexdigest()}}
            for name in certificate.subjects
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "approvers": list(certificate.approvers),
            "inventory": {
                **{name: getattr(inventory, name) for name in inventory.__slots__},
                "models": len(certificate.models),
                "subjects": len(certificate.subjects),
            },
            "keys": {**keys.body(), "meaning": LEVELS.get(keys.level, "")},
            "lab": certificate.lab,
            "models": [
                {"disposition": model.disposition, "run": model.run, "sha256": model.sha256}
                for model in certificate.models
            ],
            "operation": certificate.operation,
            "probes": [
                {name: getattr(probe, name) for name in probe.__slots__}
                for probe in certificate.probes
            ],
            "reason": certificate.reason,
            "remains": [{"what": item.what, "why": item.why} for item in certificate.remains],
            "time": certificate.time,
        },
    }


def _certificate(document: Fields) -> Certificate:
    predicate = document.part("predicate")
    keys, inventory = predicate.part("keys"), predicate.part("inventory")
    return Certificate(
        lab=predicate.text("lab"),
        operation=OperationId(predicate.text("operation")),
        subjects=tuple(SubjectId(part.text("name")) for part in document.parts("subject")),
        time=predicate.text("time"),
        reason=predicate.text("reason"),
        approvers=tuple(PersonId(name) for name in predicate.texts("approvers")),
        keys=KeyDestruction(
            level=keys.text("level"),
            epoch_before=keys.count("epoch_before"),
            epoch_after=keys.count("epoch_after"),
            destroyed=keys.count("destroyed"),
            survivors=keys.count("survivors"),
            receipt=keys.text("receipt"),
        ),
        inventory=Inventory(*(inventory.count(name) for name in Inventory.__slots__)),
        models=tuple(
            TouchedModel(part.text("sha256"), part.text("run"), part.text("disposition"))
            for part in predicate.parts("models")
        ),
        remains=tuple(
            Remainder(part.text("what"), part.text("why"))
            for part in predicate.parts("remains")
        ),
        probes=tuple(
            Probe(
                part.text("what"),
                part.count("tried"),
                part.count("opened"),
                part.count("expected"),
            )
            for part in predicate.parts("probes")
        ),
    )

"""Proof: signed statements, bundles that stand alone, erasure certificates, lineage pages."""

from cloister.proof._origin import parity_body
from cloister.proof.archive import archive_bundle
from cloister.proof.bundle import (
    Bundle,
    BundleKind,
    BundleParts,
    Disclosure,
    ModelFile,
    write_bundle,
)
from cloister.proof.certificate import (
    LEVELS,
    Certificate,
    Inventory,
    KeyDestruction,
    Probe,
    Remainder,
    SignedCertificate,
    TouchedModel,
    sign_certificate,
    verify_certificate,
)
from cloister.proof.chain import Chain, Item, Mark, Stage
from cloister.proof.dsse import open_envelope, sign_envelope
from cloister.proof.multiproof import MultiProof, prove_together
from cloister.proof.page import render_chain
from cloister.proof.statement import (
    SignedStatement,
    Statement,
    sign_statement,
    verify_statement,
)
from cloister.proof.trust import LabKeys

__all__ = [
    "LEVELS",
    "Bundle",
    "BundleKind",
    "BundleParts",
    "Certificate",
    "Chain",
    "Disclosure",
    "Inventory",
    "Item",
    "KeyDestruction",
    "LabKeys",
    "Mark",
    "ModelFile",
    "MultiProof",
    "Probe",
    "Remainder",
    "SignedCertificate",
    "SignedStatement",
    "Stage",
    "Statement",
    "TouchedModel",
    "archive_bundle",
    "open_envelope",
    "parity_body",
    "prove_together",
    "render_chain",
    "sign_certificate",
    "sign_envelope",
    "sign_statement",
    "verify_certificate",
    "verify_statement",
    "write_bundle",
]

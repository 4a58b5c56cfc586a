"""Proof: signed statements, bundles that stand alone, erasure certificates, lineage pages."""

from cloister.proof.bundle import (
    Bundle,
    BundleKind,
    BundleParts,
    Disclosure,
    ModelFile,
    write_bundle,
)
from cloister.proof.dsse import open_envelope, sign_envelope
from cloister.proof.multiproof import MultiProof, prove_together
from cloister.proof.statement import (
    SignedStatement,
    Statement,
    sign_statement,
    verify_statement,
)
from cloister.proof.trust import LabKeys

__all__ = [
    "Bundle",
    "BundleKind",
    "BundleParts",
    "Disclosure",
    "LabKeys",
    "ModelFile",
    "MultiProof",
    "SignedStatement",
    "Statement",
    "open_envelope",
    "prove_together",
    "sign_envelope",
    "sign_statement",
    "verify_statement",
    "write_bundle",
]

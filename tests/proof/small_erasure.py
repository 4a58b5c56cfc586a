"""An erasure in the small lab, certified and recorded."""

from __future__ import annotations

from typing import Any

from cloister.core.ids import OperationId, PersonId, SubjectId
from cloister.core.values import Digest
from cloister.proof.bundle import BundleKind, BundleParts
from cloister.proof.certificate import (
    Certificate,
    Inventory,
    KeyDestruction,
    Probe,
    Remainder,
    SignedCertificate,
    TouchedModel,
    sign_certificate,
)
from cloister.proof.multiproof import prove_together
from tests.proof.small_lab import SmallLab


def certificate(lab: SmallLab, **changes: Any) -> Certificate:
    """What the small lab's erasure of two names of one patient states."""
    model: Digest = lab.closure.model
    fields: dict[str, Any] = {
        "lab": lab.lab,
        "operation": OperationId("op_aaaaaaaaaaaaaaaa"),
        "subjects": (SubjectId("sub_aaaaaaaaaaaaaaaa"), SubjectId("sub_bbbbbbbbbbbbbbbb")),
        "time": "2026-11-20T11:00:00.000000Z",
        "reason": "consent withdrawn",
        "approvers": (PersonId("per_aaaaaaaaaaaaaaaa"),),
        "keys": KeyDestruction("L1", 3, 4, 2, 440, "slot 0 overwritten"),
        "inventory": Inventory(records=3, labels=2, versions=1, runs=1),
        "models": (TouchedModel(model.sha256, lab.run),),
        "remains": (Remainder("model weights", "may hold traces of the data; flagged"),),
        "probes": (
            Probe("the subject's records", 3, 0, 0),
            Probe("records of others", 100, 100, 100),
        ),
    }
    return Certificate(**(fields | changes))


class SmallErasure:
    """One erasure in a lab's ledger, and the parts of its bundle."""

    def __init__(self, lab: SmallLab, done: Certificate | None = None) -> None:
        self.lab = lab
        self.certificate = done or certificate(lab)
        self.signed: SignedCertificate = sign_certificate(
            self.certificate, lab.statement_signer
        )
        self.chosen = [lab.log.append(kind, body) for kind, body in self._events()]

    def _events(self) -> list[tuple[str, dict[str, Any]]]:
        done = self.certificate
        name = {"operation": done.operation}
        events = [("erase.intended", {"subjects": list(done.subjects), "reason": done.reason})]
        events += [
            ("model.tainted", {"run": model.run, "sha256": model.sha256})
            for model in done.models
        ]
        keys = {**done.keys.body(), "certificate": self.signed.envelope.decode()}
        events.append(("erase.completed", keys))
        return [(kind, self.lab.twist(kind, {**body, **name})) for kind, body in events]

    def parts(self) -> BundleParts:
        log = self.lab.log
        return BundleParts(
            kind=BundleKind.ERASURE,
            lab=self.lab.lab,
            about=self.certificate.operation,
            keys=self.lab.keys,
            envelope=self.signed.envelope,
            checkpoint=self.lab.checkpoint(),
            proof=prove_together(self.chosen, len(log.leaves), log.inclusion),
            leaves=[log.leaves[index] for index in self.chosen],
        )

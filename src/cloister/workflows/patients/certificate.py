"""The proof of an erasure: its certificate and ledger entries as a bundle that stands alone."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.core.ids import OperationId
from cloister.identity import subjects
from cloister.models import registry
from cloister.policy import Action
from cloister.proof.archive import archive_bundle
from cloister.proof.bundle import Bundle, BundleKind, BundleParts, write_bundle
from cloister.proof.multiproof import prove_together
from cloister.proof.trust import LabKeys
from cloister.workflows.lab import Lab


def prove_erasure(lab: Lab, operation: OperationId, folder: Path) -> Bundle:
    """Writes the bundle of one erasure to a new ``folder``; it names pseudonyms only.

    Raises NotFound for an operation that is no completed erasure, Conflict if the folder
    exists.
    """
    lab.act(Action.PROVE)
    return write_bundle(folder, lab.read(lambda tx: _parts(lab, tx, operation)))


def archive_erasure(lab: Lab, operation: OperationId) -> Generator[bytes]:
    """The same bundle as one ZIP file, sent while it is made; raises NotFound."""
    lab.act(Action.PROVE)
    parts = lab.read(lambda tx: _parts(lab, tx, operation))
    return archive_bundle(parts, f"erasure-{operation}")


def _parts(lab: Lab, tx: Transaction, operation: OperationId) -> BundleParts:
    public = lab.keys.public_keys()
    indices = _entries(tx, operation)
    head = lab.reader.head(tx)
    leaves = [lab.reader.leaf(tx, index) for index in indices]
    return BundleParts(
        kind=BundleKind.ERASURE,
        lab=lab.id,
        about=operation,
        keys=LabKeys(public["log"], public["statement"]),
        envelope=_envelope(leaves[-1]),
        checkpoint=head.note,
        proof=prove_together(
            indices, head.size, lambda index: lab.reader.inclusion(tx, index, head.size)
        ),
        leaves=leaves,
    )


def _entries(tx: Transaction, operation: OperationId) -> list[int]:
    """The intention, the flags on models, the end; in ledger order.

    A model that was still being made was flagged when it was there, after the end.
    """
    bounds = subjects.erasure_bounds(tx, operation)
    if bounds is None:
        raise NotFound(f"{operation} is no completed erasure", hint="see `cloister trace`")
    flags = [place for place in registry.taints_of(tx, operation) if place < bounds[1]]
    return sorted({*bounds, *flags})


def _envelope(completed: bytes) -> bytes:
    text: str = json.loads(completed)["body"]["certificate"]
    return text.encode()

"""Erase: a patient's keys destroyed for ever, what they fed flagged, a certificate of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloister.core.clock import timestamp
from cloister.core.errors import BadInput, Conflict, CopyUnavailable
from cloister.core.events import Event, Transaction
from cloister.core.ids import OperationId
from cloister.core.words import count
from cloister.datasets import checked, records, uploads
from cloister.identity import approvals, subjects
from cloister.identity.subjects import PendingErasure
from cloister.keys.values import ErasureReceipt
from cloister.policy import Action
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
from cloister.workflows.lab import Act, Lab
from cloister.workflows.patients.trace import Trace, TracedRun, follow
from cloister.workflows.patients.whose import Patient
from cloister.workflows.people.approvals import consent, use
from cloister.workflows.unseal import open_keys

_LONGEST_REASON = 200
_CONTROLS = 100
_WEIGHTS = (
    "weights may remember what trained them: withdraw, retrain without, or keep and document"
    " why"
)


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure that is done."""

    operation: OperationId
    trace: Trace
    """As it was when the keys were destroyed."""
    certificate: SignedCertificate
    place: int
    """Where the ledger records it."""


def plan(lab: Lab, patient: Patient) -> Trace:
    """What erasing ``patient`` would touch; changes nothing."""
    lab.act(Action.TRACE)
    return lab.read(lambda tx: follow(tx, patient))


def erase(lab: Lab, patient: Patient, reason: str) -> Erasure:
    """Destroys the patient's keys; when it returns nobody can read their data again.

    The intention is on record before the first key is touched; killed in between, the
    next command finishes it. Raises Conflict when it is done already, BadInput for a
    reason that is empty or names the patient, CopyUnavailable while the second copy of the
    keys is neither there nor suspended, NeedsApproval where the lab asks for two persons and
    a second has not agreed.
    """
    act = lab.act(Action.ERASE)
    _check_copy(lab)
    _check_reason(lab, patient, reason)
    if lab.read(lambda tx: subjects.erased(tx).issuperset(patient.names)):
        raise Conflict("this subject was erased already", hint="see `cloister trace`")
    operation = OperationId.new(lab.randomness)
    body = {"operation": operation, "reason": reason, "subjects": list(patient.names)}
    given = consent(act, Action.ERASE, {"reason": reason, "subjects": sorted(patient.names)})

    def intend(tx: Transaction) -> None:
        agreed = [] if given is None else [use(act, tx, given, operation)]
        lab.ledger.append(tx, [*agreed, act.event("erase.intended", body)])

    with lab.alone(operation):  # tells other commands that it is not for them to finish
        lab.database.write(intend)
        pending = PendingErasure(operation, lab.actor.person, reason, patient.names)
        return finish(act, pending)


def finish(act: Act, pending: PendingErasure) -> Erasure:
    """Everything of an erasure after its intention; may be repeated until it is done."""
    lab = act.lab
    # Lists and pages of checks that name the patient belong to others too, and go with them:
    # none can appear any more, for no check is recorded that names somebody to be erased.
    reports = lab.read(lambda tx: checked.naming(tx, pending.subjects))
    # Whose data came in an upload nobody asked before it was added; what waited is gone, and
    # its key with it now.
    spent = lab.read(uploads.spent)
    receipt = lab.keys.erase([*pending.subjects, *reports, *spent])
    probes = _probes(lab, pending)
    # What is flagged, what the certificate names and what is there at the end of the
    # erasure are one: a run that ends later finds the erasure instead.
    return lab.database.write(lambda tx: _complete(act, tx, pending, receipt, probes))


def _complete(
    act: Act,
    tx: Transaction,
    pending: PendingErasure,
    receipt: ErasureReceipt,
    probes: tuple[Probe, ...],
) -> Erasure:
    lab = act.lab
    touched = follow(tx, Patient(pending.subjects[0], pending.subjects))
    models = [
        TouchedModel(made.sha256, run.run.run) for run in touched.runs for made in run.models
    ]
    certificate = sign_certificate(
        Certificate(
            lab=lab.id,
            operation=pending.operation,
            subjects=pending.subjects,
            time=timestamp(lab.clock.now()),
            reason=pending.reason,
            approvers=(pending.actor, *approvals.deciders(tx, pending.operation)),
            keys=_destruction(receipt),
            inventory=inventory(touched),
            models=tuple(models),
            remains=(*remainders(touched), *_waiting(tx), *_on_the_copy(receipt)),
            probes=probes,
        ),
        lab.keys.signer("statement"),
    )
    events = [*_events(act, touched, models, certificate)]
    place = lab.ledger.append(tx, events)[-1].index
    return Erasure(pending.operation, touched, certificate, place)


def inventory(touched: Trace) -> Inventory:
    """How much of everything the erasure makes unreadable or touches."""
    return Inventory(
        records=len(touched.records),
        labels=len(touched.labels),
        versions=len(touched.versions),
        runs=len(touched.runs),
        outputs=sum(len(run.outputs) for run in touched.runs),
        predictions=len(touched.predictions),
    )


def remainders(touched: Trace) -> Iterator[Remainder]:
    """What still exists after the erasure, and why."""
    yield Remainder(
        f"the sealed bytes of {count(len(touched.records), 'record')}, in this lab and its"
        " copies",
        "raw data are write-once; without the keys nobody can read them",
    )
    if touched.checks:
        yield Remainder(
            "the sealed lists and pages of "
            + count(
                len(touched.checks),
                "check that names the subject",
                "checks that name the subject",
            ),
            "they name others too; their keys are destroyed with the subject's, so nobody can"
            " read them: check again",
        )
    models = sum(len(run.models) for run in touched.runs)
    if models:
        yield Remainder(f"{count(models, 'model')} trained on the data", _WEIGHTS)
    running = sum(run.run.ended is None for run in touched.runs)
    if running:
        yield Remainder(
            count(
                running,
                "run that was given the data and has not ended",
                "runs that were given the data and have not ended",
            ),
            "what runs holds the data in memory; models that it leaves will be flagged",
        )
    if touched.runs:
        yield Remainder(
            "outputs and logs of "
            + count(
                len(touched.runs),
                "run, sealed under the run's own key",
                "runs, sealed under the runs' own keys",
            ),
            "they belong to many subjects and may hold values derived from the data",
        )
    for run in touched.runs:
        yield from _tracked(run)
    yield Remainder(
        "the folder the data were added from, and whatever was exported with `get`",
        "it lies outside the lab, in the hands of whoever owns it",
    )


def _tracked(run: TracedRun) -> Iterator[Remainder]:
    """Each thing that scripts logged to a run: by ids, for the names are their own."""
    held: dict[str, list[str]] = {}
    for one in run.artifacts:
        held.setdefault(one.holder, []).append(one.object)
    for holder, objects in held.items():
        listed = hashlib.sha256("\n".join(sorted(objects)).encode()).hexdigest()
        yield Remainder(
            f"{count(len(objects), 'artifact')} of {holder}, which {run.run.run} logged,"
            f" sealed under its key (their objects: SHA-256 {listed})",
            "they belong to many subjects and may hold values derived from the data: remove"
            " those that do",
        )
    for model in run.logged:
        yield Remainder(f"logged model {model.model} of {run.run.run}, tainted", _WEIGHTS)
    for version in run.registered:
        yield Remainder(
            f"version {version.version} of registered model {version.number}, of what"
            f" {run.run.run} logged, tainted",
            _WEIGHTS,
        )


def _waiting(tx: Transaction) -> Iterator[Remainder]:
    """Uploads that are not added yet: nobody can tell whose files they bring."""
    if found := len(uploads.under_way(tx)):
        yield Remainder(
            count(
                found,
                "upload that waits to be added, sealed under a key of its own",
                "uploads that wait to be added, sealed under keys of their own",
            ),
            "whose files they bring is known when they are added: withdraw those that may bring"
            " the subject's",
        )


def _on_the_copy(receipt: ErasureReceipt) -> Iterator[Remainder]:
    """What an erasure leaves on a second copy of the keys that could not be written."""
    if receipt.copy == "pending":
        yield Remainder(
            f"the key of epoch {receipt.epoch_before} on the second copy of the keys",
            "the copy could not be reached: the key is destroyed there when it is back, which"
            " the ledger will say; until then that copy and the passphrase open the data",
        )


def _destruction(receipt: ErasureReceipt) -> KeyDestruction:
    return KeyDestruction(
        level=receipt.level,
        epoch_before=receipt.epoch_before,
        epoch_after=receipt.epoch_after,
        destroyed=receipt.destroyed + receipt.already,
        survivors=receipt.survivors,
        receipt=receipt.receipt,
    )


def _probes(lab: Lab, pending: PendingErasure) -> tuple[Probe, Probe]:
    """Tries every record of the patient, and some of others, with the keys that are left."""
    mine = lab.read(lambda tx: records.of_subjects(tx, pending.subjects))
    others = lab.read(_controls)
    keys = open_keys(lab, [record.key for record in mine + others])
    opened = sum(record.seal in keys for record in mine)
    controls = sum(record.seal in keys for record in others)
    return (
        Probe("records of the subject, in the live lab", len(mine), opened, 0),
        Probe("records of others, in the live lab", len(others), controls, len(others)),
    )


def _controls(tx: Transaction) -> list[records.Record]:
    gone = subjects.erased(tx)
    others = [one.subject for one in records.holdings(tx) if one.subject not in gone]
    return records.of_subjects(tx, others[:_CONTROLS])[:_CONTROLS]


def _events(
    act: Act,
    touched: Trace,
    models: Sequence[TouchedModel],
    certificate: SignedCertificate,
) -> Iterator[Event]:
    """The flags on what the erasure touched, and its end."""
    done = certificate.certificate
    for run in touched.runs:
        # What the run logs, and what is registered of it, is flagged by this now and later.
        yield act.event("run.tainted", {"operation": done.operation, "run": run.run.run})
    for model in models:
        flag = {"operation": done.operation, "run": model.run, "sha256": model.sha256}
        yield act.event("model.tainted", flag)
    body = {
        "certificate": certificate.envelope.decode(),
        "operation": done.operation,
        **done.keys.body(),
    }
    yield act.event("erase.completed", body)


def _check_copy(lab: Lab) -> None:
    """What the copy would refuse is refused before the intention is on record."""
    copy = lab.keys.status().copy
    if copy.state == "unreachable":
        raise CopyUnavailable(
            f"the second copy of the keys cannot be reached, so nobody was erased: {copy.why}",
            hint="bring it back; or erase without it, as L0: cloister keys copy --suspend",
        )


def _check_reason(lab: Lab, patient: Patient, reason: str) -> None:
    """The reason stays in the ledger for ever, so it must not name whom it is about."""
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise BadInput(f"the reason is 1 to {_LONGEST_REASON} characters")
    for identity in lab.keys.identities(list(patient.names)):
        if identity and _names(reason, identity[1]):
            raise BadInput(
                "the reason holds the subject's own id", hint="say why, not who: it is kept"
            )


def _names(text: str, local_id: str) -> bool:
    """Whether the id stands in ``text`` as a word of its own."""
    word = rf"(?<!\w){re.escape(local_id.casefold())}(?!\w)"
    return re.search(word, text.casefold()) is not None

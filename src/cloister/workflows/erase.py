"""Erase: a patient's keys destroyed for ever, what they fed flagged, a certificate of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloister.core.clock import timestamp
from cloister.core.errors import BadInput, Conflict
from cloister.core.events import Transaction
from cloister.core.ids import OperationId, PersonId
from cloister.datasets import records
from cloister.identity import subjects
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
from cloister.workflows.trace import Trace, follow
from cloister.workflows.whose import Patient

_LONGEST_REASON = 200
_CONTROLS = 100


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
    reason that is empty or names the patient.
    """
    act = lab.act(Action.ERASE)
    _check_reason(lab, patient, reason)
    if lab.read(lambda tx: subjects.erased_at(tx, patient.asked)) is not None:
        raise Conflict("this subject was erased already", hint="see `cloister trace`")
    operation = OperationId.new(lab.randomness)
    body = {"operation": operation, "reason": reason, "subjects": list(patient.names)}
    with lab.alone(operation):  # tells other commands that it is not for them to finish
        act.record([act.event("erase.intended", body)])
        return finish(act, PendingErasure(operation, patient.names, reason))


def finish(act: Act, pending: PendingErasure) -> Erasure:
    """Everything of an erasure after its intention; may be repeated until it is done."""
    lab = act.lab
    patient = Patient(pending.subjects[0], pending.subjects)
    touched = lab.read(lambda tx: follow(tx, patient))
    receipt = lab.keys.erase(list(patient.names))
    certificate = sign_certificate(
        Certificate(
            lab=lab.id,
            operation=pending.operation,
            subjects=patient.names,
            time=timestamp(lab.clock.now()),
            reason=pending.reason,
            approvers=(PersonId(lab.actor.person),),
            keys=_destruction(receipt),
            inventory=inventory(touched),
            models=tuple(
                TouchedModel(model.sha256, model.run)
                for run in touched.runs
                for model in run.models
            ),
            remains=tuple(remainders(touched)),
            probes=_probes(lab, touched),
        ),
        lab.keys.signer("statement"),
    )
    return Erasure(pending.operation, touched, certificate, _record(act, touched, certificate))


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
        f"the sealed bytes of {len(touched.records)} records, in this lab and its copies",
        "raw data are write-once; without the keys nobody can read them",
    )
    models = sum(len(run.models) for run in touched.runs)
    if models:
        yield Remainder(
            f"{models} models trained on the data",
            "weights may remember what trained them: withdraw, retrain without, or keep and"
            " document why",
        )
    if touched.runs:
        yield Remainder(
            f"outputs and logs of {len(touched.runs)} runs, sealed under the runs' own keys",
            "they belong to many subjects and may hold values derived from the data",
        )
    yield Remainder(
        "the folder the data were added from, and whatever was exported with `get`",
        "it lies outside the lab, in the hands of whoever owns it",
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


def _probes(lab: Lab, touched: Trace) -> tuple[Probe, Probe]:
    """Tries every record of the patient, and some of others, with the keys that are left."""
    mine = [record.key for record in touched.records]
    others = [r.key for r in lab.read(lambda tx: _controls(tx, touched.patient))]
    opened = sum(key is not None for key in lab.keys.open(mine))
    controls = sum(key is not None for key in lab.keys.open(others))
    return (
        Probe("records of the subject, in the live lab", len(mine), opened, 0),
        Probe("records of others, in the live lab", len(others), controls, len(others)),
    )


def _controls(tx: Transaction, patient: Patient) -> list[records.Record]:
    rows = tx.query(
        "SELECT DISTINCT subject FROM record WHERE subject NOT IN (SELECT subject FROM erasure)"
        " ORDER BY subject LIMIT ?",
        (_CONTROLS,),
    )
    names = [row[0] for row in rows if row[0] not in patient.names]
    return records.of_subjects(tx, names)[:_CONTROLS]


def _record(act: Act, touched: Trace, certificate: SignedCertificate) -> int:
    """The end of the erasure and the flags on what it touched, in one transaction."""
    done = certificate.certificate
    flags = [
        act.event(
            "model.tainted",
            {"operation": done.operation, "run": run.run.run, "sha256": model.sha256},
        )
        for run in touched.runs
        for model in run.models
    ]
    body = {
        "certificate": certificate.envelope.decode(),
        "operation": done.operation,
        **done.keys.body(),
    }
    return act.record([*flags, act.event("erase.completed", body)])[-1].index


def _check_reason(lab: Lab, patient: Patient, reason: str) -> None:
    """The reason stays in the ledger for ever, so it must not name whom it is about."""
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise BadInput(f"the reason is 1 to {_LONGEST_REASON} characters")
    for identity in lab.keys.identities(list(patient.names)):
        if identity and identity[1].casefold() in reason.casefold():
            raise BadInput(
                "the reason holds the subject's own id", hint="say why, not who: it is kept"
            )

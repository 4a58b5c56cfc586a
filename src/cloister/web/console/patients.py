"""One patient: found by who may trace, erased by who may, with a certificate of it."""

from __future__ import annotations

from typing import Any

from cloister.core.ids import OperationId
from cloister.policy import Action
from cloister.web.console.calls import Asked, Call, Download, Field, Said, listed
from cloister.workflows.patients import request
from cloister.workflows.patients.certificate import archive_erasure


def find(asked: Asked) -> dict[str, Any]:
    """The pseudonym of a patient; a POST, for ids do not belong into addresses."""
    found = request.find_subject(asked.lab, asked.text("id").strip(), asked.text("issuer"))
    return {"subject": found}


def plan(asked: Asked) -> object:
    """What an erasure would touch; changes nothing."""
    return request.planned(asked.lab, asked.text("id").strip(), asked.text("issuer"))


def erase(asked: Asked) -> Said:
    """Destroys a patient's keys; 409 with E205 until a second person agreed, if one has to."""
    said = asked.text("id").strip()
    done = request.requested(asked.lab, said, asked.text("reason"), asked.text("issuer"))
    made = done.certificate.certificate
    return Said(
        {
            "operation": done.operation,
            "subject": done.trace.patient.asked,
            "ledger_entry": done.place,
            "inventory": made.inventory,
            "keys": made.keys,
            "probes": made.probes,
            "remains": made.remains,
            "models": made.models,
            "certificate_sha256": done.certificate.sha256,
        },
        201,
    )


def all_erasures(asked: Asked) -> dict[str, Any]:
    """Every erasure on record, by pseudonym."""
    items = request.erasures(asked.lab)
    return listed(items, None, len(items))


def certificate(asked: Asked) -> Download:
    """The certificate of an erasure and its entries of the ledger, as a bundle in one ZIP."""
    operation = asked.named["operation"]
    chunks = archive_erasure(asked.lab, OperationId(operation))
    return Download(f"erasure-{operation}.zip", chunks, kind="application/zip")


_WHO = (
    Field("id", required=True, most=400, example="nobody at all"),
    Field("issuer", required=True, most=200, example="local"),
)
CALLS = (
    Call("POST", "/subjects/find", find, Action.TRACE, _WHO),
    Call("GET", "/erasures", all_erasures, Action.AUDIT),
    Call("POST", "/erasures/plan", plan, Action.TRACE, _WHO),
    Call(
        "POST",
        "/erasures",
        erase,
        Action.ERASE,
        (*_WHO, Field("reason", required=True, most=200, example="x")),
        statuses=(201,),
    ),
    Call("GET", "/erasures/{operation}/certificate", certificate, Action.PROVE),
)

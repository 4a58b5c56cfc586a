"""Assessments of traces over MLflow's interface."""

from __future__ import annotations

from typing import Any

from cloister.core.errors import BadInput
from cloister.tracking import assessments as tables
from cloister.tracking.assessments import EXPECTATION, FEEDBACK, Assessment
from cloister.web.mlflow.codec import Message, missing
from cloister.web.mlflow.endpoint import Call, Endpoint
from cloister.workflows.tracking import assessments
from cloister.workflows.tracking.assessments import Changed

_ALL = "/3.0/mlflow/traces/{trace_id}/assessments"
_ONE = f"{_ALL}/{{assessment_id}}"
_CHANGED = {"assessment_name", "rationale", "metadata", FEEDBACK, EXPECTATION}


def new_assessment(call: Call, said: Message) -> Assessment:
    """One that a client makes, by itself or with its trace."""
    fields = (
        *("assessment_id", "assessment_name", "source", "create_time", "last_update_time"),
        *(FEEDBACK, EXPECTATION, "rationale", "metadata", "span_id", "overrides"),
    )
    return assessments.read(call.visit, {name: said.raw(name) for name in fields})


def create(call: Call) -> dict[str, Any]:
    """``POST traces/{id}/assessments``"""
    said, trace = _said(call), call.path["trace_id"]
    made = assessments.create(call.visit, trace, new_assessment(call, said))
    return {"assessment": tables.shown(made, trace, valid=True)}


def get(call: Call) -> dict[str, Any]:
    """``GET traces/{id}/assessments/{id}``"""
    trace = call.path["trace_id"]
    found, valid = assessments.get(call.visit, trace, call.path["assessment_id"])
    return {"assessment": tables.shown(found, trace, valid=valid)}


def change(call: Call) -> dict[str, Any]:
    """``PATCH traces/{id}/assessments/{id}``: the fields that the mask names."""
    said, trace = _said(call), call.path["trace_id"]
    mask = call.fields.raw("update_mask")
    if not isinstance(mask, str):
        missing("update_mask")
    named = {_snake(name.strip()) for name in mask.split(",")}
    if not named <= _CHANGED or len(named & {FEEDBACK, EXPECTATION}) > 1:
        raise BadInput(f"only these can be updated: {', '.join(sorted(_CHANGED))}")
    kind = next(iter(named & {FEEDBACK, EXPECTATION}), None)
    value = {} if kind is None else said.mapping(kind)
    changed = Changed(
        kind=kind,
        value=tables.value_of(value),
        error=tables.error_of(value),
        name=said.text("assessment_name") if "assessment_name" in named else None,
        rationale=said.text("rationale") if "rationale" in named else None,
        metadata=tables.metadata_of({"metadata": said.raw("metadata")})
        if "metadata" in named
        else {},
    )
    found, valid = assessments.change(call.visit, trace, call.path["assessment_id"], changed)
    return {"assessment": tables.shown(found, trace, valid=valid)}


def remove(call: Call) -> None:
    """``DELETE traces/{id}/assessments/{id}``"""
    assessments.remove(call.visit, call.path["trace_id"], call.path["assessment_id"])


def _said(call: Call) -> Message:
    said = call.fields.message("assessment")
    return missing("assessment") if said is None else said


def _snake(name: str) -> str:
    """The JSON of a mask spells names in lowerCamelCase."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


ENDPOINTS = (
    Endpoint("POST", _ALL, create),
    Endpoint("GET", _ONE, get),
    Endpoint("PATCH", _ONE, change),
    Endpoint("DELETE", _ONE, remove),
)

"""What scripts log, over MLflow's interface: points, parameters, tags, inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloister.core.errors import BadInput
from cloister.tracking.inputs import Dataset, DatasetInput, ModelLink
from cloister.tracking.logged_models import Measured
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.web.mlflow.codec import Message, missing, wrong
from cloister.web.mlflow.endpoint import Call, Deferred, Endpoint
from cloister.web.mlflow.experiments import pairs
from cloister.web.mlflow.runs import run_of
from cloister.workflows.tracking import log, logged_models, model_history


def metric(call: Call) -> Deferred | None:
    """``runs/log-metric``"""
    run = run_of(call.fields)
    point = _quick_point(call.fields.values) or _point(call.fields, "")
    pending = log.pending(call.visit, run, [point])
    if not call.fields.has("model_id"):
        return Deferred(pending)
    pending.record()
    logged_models.measure(call.visit, run, [_of_model(call.fields, point)])
    return None


def parameter(call: Call) -> Deferred:
    """``runs/log-parameter``"""
    fields = call.fields
    note = Note(fields.required("key"), fields.text("value"))
    return Deferred(log.pending(call.visit, run_of(fields), params=[note]))


def set_tag(call: Call) -> Deferred:
    """``runs/set-tag``"""
    fields = call.fields
    note = Note(fields.required("key"), fields.text("value"))
    return Deferred(log.pending(call.visit, run_of(fields), tags=[note]))


def delete_tag(call: Call) -> None:
    """``runs/delete-tag``"""
    log.remove_tag(call.visit, run_of(call.fields), call.fields.required("key"))


def batch(call: Call) -> Deferred | None:
    """``runs/log-batch``"""
    fields = call.fields
    pending = log.pending(
        call.visit,
        fields.required("run_id"),
        _points(fields),
        pairs(fields.messages("params"), "params"),
        pairs(fields.messages("tags"), "tags"),
    )
    measured = _measured(fields)
    if not measured:
        return Deferred(pending)
    pending.record()
    logged_models.measure(call.visit, fields.required("run_id"), measured)
    return None


def inputs(call: Call) -> None:
    """``runs/log-inputs``"""
    fields = call.fields
    datasets = [_dataset(one) for one in fields.messages("datasets")]
    models = [ModelLink(one.required("model_id")) for one in fields.messages("models")]
    log.log_inputs(call.visit, fields.required("run_id"), datasets, models)


def outputs(call: Call) -> None:
    """``runs/outputs``"""
    fields = call.fields
    models = [
        ModelLink(one.required("model_id"), one.whole("step"))
        for one in fields.messages("models")
    ]
    if not models:
        missing("models")
    log.log_outputs(call.visit, fields.required("run_id"), models)


def model(call: Call) -> None:
    """``runs/log-model``"""
    fields = call.fields
    model_history.add(call.visit, fields.required("run_id"), fields.required("model_json"))


def _points(fields: Message) -> list[Point]:
    said = fields.raw("metrics")
    if said is None:
        return []
    if not isinstance(said, list):
        wrong("metrics", "a list", said)
    return [_quick_point(one) or _slow_point(one, place) for place, one in enumerate(said)]


def _measured(fields: Message) -> list[Measured]:
    """The points that are of a model too."""
    said = fields.raw("metrics") or ()
    of_models = [Message(one) for one in said if "model_id" in one or "modelId" in one]
    return [_of_model(one, _point(one, "")) for one in of_models if one.has("model_id")]


def _of_model(fields: Message, point: Point) -> Measured:
    return Measured(
        fields.text("model_id"),
        point,
        fields.text("dataset_name"),
        fields.text("dataset_digest"),
    )


def _quick_point(one: Any) -> Point | None:
    """A point as nearly every client sends it; None for one that is to be looked at closely."""
    if type(one) is not dict:
        return None
    name, value, time_ms, step = (
        one.get("key"),
        one.get("value"),
        one.get("timestamp"),
        one.get("step", 0),
    )
    if type(name) is str and type(value) is float and type(time_ms) is type(step) is int:
        return Point(name, value, time_ms, step) if name else None
    return None


def _slow_point(one: Any, place: int) -> Point:
    where = f"metrics[{place}]"
    if not isinstance(one, Mapping):
        wrong(where, "an object", one)
    return _point(Message(one), f"{where}.")


def _point(fields: Message, where: str) -> Point:
    for name in ("key", "value", "timestamp"):
        if not fields.has(name):
            missing(where + name)
    name = fields.text("key") or missing(f"{where}key")
    return Point(name, fields.number("value"), fields.whole("timestamp"), fields.whole("step"))


def _dataset(one: Message) -> DatasetInput:
    said = one.message("dataset")
    if said is None:
        raise BadInput("Dataset cannot be None")
    dataset = Dataset(
        said.required("name"),
        said.required("digest"),
        said.required("source_type"),
        said.required("source"),
        said.optional("schema"),
        said.optional("profile"),
    )
    return DatasetInput(dataset, tuple(pairs(one.messages("tags"), "tags")))


ENDPOINTS = (
    Endpoint("POST", "/2.0/mlflow/runs/log-metric", metric, gathers=True),
    Endpoint("POST", "/2.0/mlflow/runs/log-parameter", parameter, gathers=True),
    Endpoint("POST", "/2.0/mlflow/runs/set-tag", set_tag, gathers=True),
    Endpoint("POST", "/2.0/mlflow/runs/delete-tag", delete_tag),
    Endpoint("POST", "/2.0/mlflow/runs/log-batch", batch, gathers=True),
    Endpoint("POST", "/2.0/mlflow/runs/log-inputs", inputs),
    Endpoint("POST", "/2.0/mlflow/runs/outputs", outputs),
    Endpoint("POST", "/2.0/mlflow/runs/log-model", model),
)

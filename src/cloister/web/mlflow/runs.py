"""Runs over MLflow's interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cloister.tracking.inputs import Inputs
from cloister.tracking.runs import TrackedRun
from cloister.web.mlflow import marks
from cloister.web.mlflow.codec import Message, missing, wrong
from cloister.web.mlflow.endpoint import Call, Deferred, Endpoint
from cloister.web.mlflow.experiments import pairs, view_of
from cloister.workflows.tracking import runs
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.seen import SeenRun

_STATUSES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
_PAGE = 1000
FENCE, UNFENCED = "cloister.fence", "unfenced"
"""A tag of every run, as clients read it."""


def create(call: Call) -> Deferred:
    """``runs/create``"""
    fields = call.fields
    new = NewRun(
        experiment=fields.text("experiment_id"),
        started_ms=fields.whole("start_time"),
        name=fields.text("run_name"),
        user_id=fields.text("user_id"),
        tags=tuple(pairs(fields.messages("tags"), "tags")),
    )
    return Deferred(runs.pending(call.visit, new), _created)


def _created(run: SeenRun) -> dict[str, Any]:
    return {"run": shown(run)}


def get(call: Call) -> dict[str, Any]:
    """``runs/get``"""
    return {"run": shown(runs.get(call.visit, run_of(call.fields)))}


def update(call: Call) -> dict[str, Any]:
    """``runs/update``"""
    fields = call.fields
    changed = runs.update(
        call.visit,
        run_of(fields),
        status=_status(fields),
        ended_ms=fields.whole("end_time") if fields.has("end_time") else None,
        name=fields.optional("run_name"),
    )
    return {"run_info": info(changed)}


def delete(call: Call) -> None:
    """``runs/delete``"""
    runs.delete(call.visit, call.fields.required("run_id"))


def restore(call: Call) -> None:
    """``runs/restore``"""
    runs.restore(call.visit, call.fields.required("run_id"))


def search(call: Call) -> dict[str, Any]:
    """``runs/search``"""
    fields = call.fields
    page = runs.search(
        call.visit,
        fields.texts("experiment_ids"),
        fields.text("filter"),
        view_of(fields, "run_view_type"),
        fields.whole("max_results", _PAGE),
        fields.texts("order_by"),
        fields.text("page_token"),
    )
    answer: dict[str, Any] = {"runs": [shown(one) for one in page.found]}
    if page.next_token:
        answer["next_page_token"] = page.next_token
    return answer


def run_of(fields: Message) -> str:
    """The run that is meant: ``run_uuid`` is what it was called before 2019."""
    run = fields.text("run_id") or fields.text("run_uuid")
    return run or missing("run_id")


def _status(fields: Message) -> str | None:
    said = fields.raw("status")
    if said is None:
        return None
    status = _STATUSES.get(str(said), str(said))
    return status if status in _STATUSES.values() else wrong("status", "a run's status", said)


def shown(one: SeenRun) -> dict[str, Any]:
    """A run as clients read it."""
    answer: dict[str, Any] = {
        "info": info(one.run),
        "data": {
            "metrics": [
                {
                    "key": latest[1],
                    "value": latest[2],
                    "timestamp": latest[3],
                    "step": latest[4],
                }
                for latest in one.metrics
            ],
            "params": [{"key": name, "value": value} for name, value in one.params],
            "tags": marks.tags(_tags(one), one.marks),
        },
        "inputs": {},
        "outputs": {},
    }
    if one.inputs is not None:
        answer["inputs"], answer["outputs"] = _given(one.inputs)
    return answer


def _tags(one: SeenRun) -> Iterator[tuple[str, str]]:
    """What was set, and by which fenced run it was made: that, no client can set."""
    yield from ((name, value) for name, value in one.tags if name != FENCE)
    yield FENCE, one.run.fenced or UNFENCED


def info(run: TrackedRun) -> dict[str, Any]:
    """What is known of a run beside what was logged."""
    answer = {
        "run_id": run.run,
        "run_uuid": run.run,
        "run_name": run.name,
        "experiment_id": str(run.experiment),
        "user_id": run.user_id,
        "status": run.status,
        "start_time": run.started_ms,
        "artifact_uri": run.artifacts,
        "lifecycle_stage": run.stage,
    }
    if run.ended_ms is not None:
        answer["end_time"] = run.ended_ms
    return answer


def _given(inputs: Inputs) -> tuple[dict[str, Any], dict[str, Any]]:
    datasets = []
    for dataset, tags in inputs.datasets:
        described = {
            "name": dataset.name,
            "digest": dataset.digest,
            "source_type": dataset.source_type,
            "source": dataset.source,
            "schema": dataset.layout,
            "profile": dataset.profile,
        }
        said = {key: value for key, value in described.items() if value is not None}
        about = [{"key": name, "value": value} for name, value in tags]
        datasets.append({"dataset": said, "tags": about})
    models_in = [{"model_id": link.model} for link in inputs.models_in]
    models_out = [{"model_id": link.model, "step": link.step} for link in inputs.models_out]
    return (
        {"dataset_inputs": datasets, "model_inputs": models_in},
        {"model_outputs": models_out},
    )


ENDPOINTS = (
    Endpoint("POST", "/2.0/mlflow/runs/create", create, gathers=True),
    Endpoint("GET", "/2.0/mlflow/runs/get", get),
    Endpoint("POST", "/2.0/mlflow/runs/update", update),
    Endpoint("POST", "/2.0/mlflow/runs/delete", delete),
    Endpoint("POST", "/2.0/mlflow/runs/restore", restore),
    Endpoint("POST", "/2.0/mlflow/runs/search", search),
)

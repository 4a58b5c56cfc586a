"""Experiments over MLflow's interface."""

from __future__ import annotations

from typing import Any

from cloister.tracking.inputs import Summary
from cloister.tracking.notes import Note
from cloister.web.mlflow.codec import Message, missing, wrong
from cloister.web.mlflow.endpoint import Call, Endpoint
from cloister.workflows.tracking import experiments
from cloister.workflows.tracking.seen import SeenExperiment

_VIEWS = {"1": "ACTIVE_ONLY", "2": "DELETED_ONLY", "3": "ALL"}
_PAGE = 1000


def create(call: Call) -> dict[str, Any]:
    """``experiments/create``"""
    fields = call.fields
    tags = pairs(fields.messages("tags"), "tags")
    number = experiments.create(call.visit, fields.required("name"), tags)
    return {"experiment_id": number}


def get(call: Call) -> dict[str, Any]:
    """``experiments/get``"""
    number = call.fields.required("experiment_id")
    return {"experiment": shown(experiments.get(call.visit, number))}


def get_by_name(call: Call) -> dict[str, Any]:
    """``experiments/get-by-name``"""
    name = call.fields.required("experiment_name")
    return {"experiment": shown(experiments.named(call.visit, name))}


def search(call: Call) -> dict[str, Any]:
    """``experiments/search``"""
    fields = call.fields
    page = experiments.search(
        call.visit,
        view_of(fields, "view_type"),
        fields.whole("max_results", _PAGE),
        fields.text("filter"),
        fields.texts("order_by"),
        fields.text("page_token"),
    )
    answer: dict[str, Any] = {"experiments": [shown(one) for one in page.found]}
    if page.next_token:
        answer["next_page_token"] = page.next_token
    return answer


def update(call: Call) -> None:
    """``experiments/update``"""
    number = call.fields.required("experiment_id")
    experiments.rename(call.visit, number, call.fields.required("new_name"))


def delete(call: Call) -> None:
    """``experiments/delete``"""
    experiments.delete(call.visit, call.fields.required("experiment_id"))


def restore(call: Call) -> None:
    """``experiments/restore``"""
    experiments.restore(call.visit, call.fields.required("experiment_id"))


def set_tag(call: Call) -> None:
    """``experiments/set-experiment-tag``"""
    fields = call.fields
    number, name = fields.required("experiment_id"), fields.required("key")
    experiments.set_tag(call.visit, number, name, fields.text("value"))


def delete_tag(call: Call) -> None:
    """``experiments/delete-experiment-tag``"""
    number = call.fields.required("experiment_id")
    experiments.remove_tag(call.visit, number, call.fields.required("key"))


def search_datasets(call: Call) -> dict[str, Any]:
    """``experiments/search-datasets``"""
    found = experiments.datasets(call.visit, call.fields.texts("experiment_ids"))
    return {"dataset_summaries": [_summary(one) for one in found]}


def _summary(one: Summary) -> dict[str, Any]:
    context = {} if one.context is None else {"context": one.context}
    return {
        "experiment_id": str(one.experiment),
        "name": one.name,
        "digest": one.digest,
        **context,
    }


def shown(one: SeenExperiment) -> dict[str, Any]:
    """An experiment as clients read it."""
    experiment = one.experiment
    return {
        "experiment_id": str(experiment.number),
        "name": experiment.name,
        "artifact_location": experiment.artifacts,
        "lifecycle_stage": experiment.stage,
        "creation_time": experiment.created_ms,
        "last_update_time": experiment.updated_ms,
        "tags": [{"key": name, "value": value} for name, value in one.tags],
    }


def pairs(messages: list[Message], where: str) -> list[Note]:
    """The keys and values of parameters or tags; raises Refusal where a key is missing."""
    found = []
    for place, message in enumerate(messages):
        name = message.optional("key")
        if not name:
            missing(f"{where}[{place}].key")
        found.append(Note(name, message.text("value")))
    return found


def view_of(fields: Message, name: str) -> str:
    """Which of the active and the deleted are asked for: by name, or by number."""
    said = fields.raw(name)
    if said is None:
        return "ACTIVE_ONLY"
    view = _VIEWS.get(str(said), str(said))
    return view if view in _VIEWS.values() else wrong(name, "a view type", said)


ENDPOINTS = (
    Endpoint("POST", "/2.0/mlflow/experiments/create", create),
    Endpoint("GET", "/2.0/mlflow/experiments/get", get),
    Endpoint("GET", "/2.0/mlflow/experiments/get-by-name", get_by_name),
    Endpoint("POST", "/2.0/mlflow/experiments/search", search),
    Endpoint("GET", "/2.0/mlflow/experiments/search", search),
    Endpoint("POST", "/2.0/mlflow/experiments/update", update),
    Endpoint("POST", "/2.0/mlflow/experiments/delete", delete),
    Endpoint("POST", "/2.0/mlflow/experiments/restore", restore),
    Endpoint("POST", "/2.0/mlflow/experiments/set-experiment-tag", set_tag),
    Endpoint("POST", "/2.0/mlflow/experiments/delete-experiment-tag", delete_tag),
    Endpoint("POST", "/2.0/mlflow/experiments/search-datasets", search_datasets),
)

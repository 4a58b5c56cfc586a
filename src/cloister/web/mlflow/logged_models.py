"""Logged models over MLflow's interface."""

from __future__ import annotations

from typing import Any

from cloister.core.errors import BadInput
from cloister.tracking.logged_models import FAILED, PENDING, READY, Measured
from cloister.tracking.search.logged_models import By, On
from cloister.web.mlflow import marks
from cloister.web.mlflow.artifacts import listed
from cloister.web.mlflow.codec import missing
from cloister.web.mlflow.endpoint import Call, Endpoint
from cloister.web.mlflow.experiments import pairs
from cloister.workflows.tracking import logged_models
from cloister.workflows.tracking.logged_models import NewModel, SeenModel

_ROOT = "/2.0/mlflow/logged-models"
_ONE = f"{_ROOT}/{{model_id}}"
_STATUSES = {"1": PENDING, "2": READY, "3": FAILED}
_PAGE = 100
_SCHEME = "mlflow-artifacts:/"


def create(call: Call) -> dict[str, Any]:
    """``POST logged-models``"""
    fields = call.fields
    name = fields.optional("name")
    if name == "":
        raise BadInput("Invalid model name: it is empty")
    new = NewModel(
        experiment=fields.text("experiment_id"),
        name=name or "",
        kind=fields.text("model_type"),
        source_run=fields.text("source_run_id"),
        params=tuple(pairs(fields.messages("params"), "params")),
        tags=tuple(pairs(fields.messages("tags"), "tags")),
    )
    return {"model": shown(logged_models.create(call.visit, new))}


def get(call: Call) -> dict[str, Any]:
    """``GET logged-models/{id}``"""
    deleted = call.fields.flag("allow_deleted")
    found = logged_models.get(call.visit, call.path["model_id"], deleted=deleted)
    return {"model": shown(found)}


def finalize(call: Call) -> dict[str, Any]:
    """``PATCH logged-models/{id}``"""
    said = call.fields.raw("status")
    if said is None:
        missing("status")
    status = _STATUSES.get(str(said), str(said))
    return {"model": shown(logged_models.finalize(call.visit, call.path["model_id"], status))}


def delete(call: Call) -> None:
    """``DELETE logged-models/{id}``"""
    logged_models.delete(call.visit, call.path["model_id"])


def set_tags(call: Call) -> None:
    """``PATCH logged-models/{id}/tags``"""
    tags = pairs(call.fields.messages("tags"), "tags")
    logged_models.set_tags(call.visit, call.path["model_id"], tags)


def delete_tag(call: Call) -> None:
    """``DELETE logged-models/{id}/tags/{key}``"""
    logged_models.remove_tag(call.visit, call.path["model_id"], call.path["key"])


def log_params(call: Call) -> None:
    """``POST logged-models/{id}/params``"""
    params = pairs(call.fields.messages("params"), "params")
    logged_models.log_params(call.visit, call.path["model_id"], params)


def search(call: Call) -> dict[str, Any]:
    """``logged-models/search``"""
    fields = call.fields
    page = logged_models.search(
        call.visit,
        fields.texts("experiment_ids"),
        fields.text("filter"),
        [
            On(one.required("dataset_name"), one.text("dataset_digest"))
            for one in fields.messages("datasets")
        ],
        fields.whole("max_results", _PAGE) or _PAGE,
        [
            By(
                one.required("field_name"),
                one.flag("ascending", True),
                On(one.text("dataset_name"), one.text("dataset_digest"))
                if one.text("dataset_name")
                else None,
            )
            for one in fields.messages("order_by")
        ],
        fields.text("page_token"),
    )
    answer: dict[str, Any] = {"models": [shown(one) for one in page.found]}
    if page.next_token:
        answer["next_page_token"] = page.next_token
    return answer


def list_files(call: Call) -> dict[str, Any]:
    """``GET logged-models/{id}/artifacts/directories``"""
    found = logged_models.get(call.visit, call.path["model_id"]).model
    path = call.fields.text("artifact_directory_path").strip("/")
    root = found.artifacts.removeprefix(_SCHEME)
    files = listed(call, f"{root}/{path}" if path else root, path)
    return {"root_uri": found.artifacts, "files": files}


def shown(one: SeenModel) -> dict[str, Any]:
    """A model as clients read it."""
    model = one.model
    return {
        "info": {
            "model_id": model.model,
            "experiment_id": str(model.experiment),
            "name": model.name,
            "creation_timestamp_ms": model.created_ms,
            "last_updated_timestamp_ms": model.updated_ms,
            "artifact_uri": model.artifacts,
            "status": model.status,
            "model_type": model.kind,
            "source_run_id": model.source_run,
            "tags": marks.tags(one.tags, one.marks),
        },
        "data": {
            "params": [{"key": name, "value": value} for name, value in one.params],
            "metrics": [_metric(each) for each in one.metrics],
        },
    }


def _metric(one: Measured) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "key": one.point.metric,
        "value": one.point.value,
        "timestamp": one.point.time_ms,
        "step": one.point.step,
        "model_id": one.model,
        "run_id": one.run,
    }
    if one.dataset:
        answer |= {"dataset_name": one.dataset, "dataset_digest": one.digest}
    return answer


ENDPOINTS = (
    Endpoint("POST", _ROOT, create),
    Endpoint("POST", f"{_ROOT}/search", search),
    Endpoint("GET", _ONE, get),
    Endpoint("PATCH", _ONE, finalize),
    Endpoint("DELETE", _ONE, delete),
    Endpoint("PATCH", f"{_ONE}/tags", set_tags),
    Endpoint("DELETE", f"{_ONE}/tags/{{key:path}}", delete_tag),
    Endpoint("POST", f"{_ONE}/params", log_params),
    Endpoint("GET", f"{_ONE}/artifacts/directories", list_files),
)

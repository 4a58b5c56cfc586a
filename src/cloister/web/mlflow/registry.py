"""The model registry over MLflow's interface."""

from __future__ import annotations

from typing import Any

from cloister.tracking.notes import Note
from cloister.web.mlflow import marks
from cloister.web.mlflow.endpoint import Call, Endpoint
from cloister.web.mlflow.experiments import pairs
from cloister.workflows.tracking import registry, versions
from cloister.workflows.tracking.registry import SeenRegistered, SeenVersion
from cloister.workflows.tracking.versions import NewVersion

_MODELS = "/2.0/mlflow/registered-models"
_VERSIONS = "/2.0/mlflow/model-versions"
_PAGE = 100
_VERSIONS_A_PAGE = 200_000
_TAINTED = "TAINTED: somebody whose data made it was erased"


def create(call: Call) -> dict[str, Any]:
    """``registered-models/create``"""
    fields = call.fields
    made = registry.create(
        call.visit,
        fields.required("name"),
        pairs(fields.messages("tags"), "tags"),
        fields.text("description"),
    )
    return {"registered_model": shown(made)}


def get(call: Call) -> dict[str, Any]:
    """``registered-models/get``"""
    found = registry.get(call.visit, call.fields.required("name"))
    return {"registered_model": shown(found)}


def search(call: Call) -> dict[str, Any]:
    """``registered-models/search``"""
    fields = call.fields
    page = registry.search(
        call.visit,
        fields.text("filter"),
        fields.whole("max_results", _PAGE),
        fields.texts("order_by"),
        fields.text("page_token"),
    )
    answer: dict[str, Any] = {"registered_models": [shown(one) for one in page.found]}
    if page.next_token:
        answer["next_page_token"] = page.next_token
    return answer


def update(call: Call) -> dict[str, Any]:
    """``registered-models/update``"""
    name = call.fields.required("name")
    changed = registry.change(call.visit, name, description=call.fields.text("description"))
    return {"registered_model": shown(changed)}


def rename(call: Call) -> dict[str, Any]:
    """``registered-models/rename``"""
    name, new_name = call.fields.required("name"), call.fields.required("new_name")
    return {"registered_model": shown(registry.change(call.visit, name, new_name=new_name))}


def delete(call: Call) -> None:
    """``registered-models/delete``"""
    registry.delete(call.visit, call.fields.required("name"))


def get_latest(call: Call) -> dict[str, Any]:
    """``registered-models/get-latest-versions``"""
    fields = call.fields
    found = registry.latest(call.visit, fields.required("name"), fields.texts("stages"))
    return {"model_versions": [version(one) for one in found]}


def set_tag(call: Call) -> None:
    """``registered-models/set-tag``"""
    fields = call.fields
    tag = Note(fields.required("key"), fields.text("value"))
    versions.set_tag(call.visit, fields.required("name"), None, tag)


def delete_tag(call: Call) -> None:
    """``registered-models/delete-tag``"""
    fields = call.fields
    versions.remove_tag(call.visit, fields.required("name"), None, fields.required("key"))


def set_alias(call: Call) -> None:
    """``POST registered-models/alias``"""
    fields = call.fields
    name, alias = fields.required("name"), fields.required("alias")
    registry.set_alias(call.visit, name, alias, fields.required("version"))


def delete_alias(call: Call) -> None:
    """``DELETE registered-models/alias``"""
    name, alias = call.fields.required("name"), call.fields.required("alias")
    registry.remove_alias(call.visit, name, alias)


def get_by_alias(call: Call) -> dict[str, Any]:
    """``GET registered-models/alias``"""
    name, alias = call.fields.required("name"), call.fields.required("alias")
    return {"model_version": version(versions.by_alias(call.visit, name, alias))}


def create_version(call: Call) -> dict[str, Any]:
    """``model-versions/create``"""
    fields = call.fields
    new = NewVersion(
        name=fields.required("name"),
        source=fields.required("source"),
        run=fields.text("run_id"),
        run_link=fields.text("run_link"),
        model=fields.text("model_id"),
        description=fields.text("description"),
        tags=tuple(pairs(fields.messages("tags"), "tags")),
    )
    return {"model_version": version(versions.create(call.visit, new))}


def get_version(call: Call) -> dict[str, Any]:
    """``model-versions/get``"""
    return {"model_version": version(versions.get(call.visit, *_named(call)))}


def search_versions(call: Call) -> dict[str, Any]:
    """``model-versions/search``"""
    fields = call.fields
    page = versions.search(
        call.visit,
        fields.text("filter"),
        fields.whole("max_results", _VERSIONS_A_PAGE),
        fields.texts("order_by"),
        fields.text("page_token"),
    )
    answer: dict[str, Any] = {"model_versions": [version(one) for one in page.found]}
    if page.next_token:
        answer["next_page_token"] = page.next_token
    return answer


def update_version(call: Call) -> dict[str, Any]:
    """``model-versions/update``"""
    description = call.fields.text("description")
    changed = versions.describe(call.visit, *_named(call), description)
    return {"model_version": version(changed)}


def stage_version(call: Call) -> dict[str, Any]:
    """``model-versions/transition-stage``"""
    alone = call.fields.flag("archive_existing_versions")
    stage = call.fields.required("stage")
    changed = versions.stage(call.visit, *_named(call), stage, alone=alone)
    return {"model_version": version(changed)}


def delete_version(call: Call) -> None:
    """``model-versions/delete``"""
    versions.delete(call.visit, *_named(call))


def set_version_tag(call: Call) -> None:
    """``model-versions/set-tag``"""
    tag = Note(call.fields.required("key"), call.fields.text("value"))
    versions.set_tag(call.visit, *_named(call), tag)


def delete_version_tag(call: Call) -> None:
    """``model-versions/delete-tag``"""
    versions.remove_tag(call.visit, *_named(call), call.fields.required("key"))


def download_uri(call: Call) -> dict[str, Any]:
    """``model-versions/get-download-uri``"""
    return {"artifact_uri": versions.download_place(call.visit, *_named(call))}


def _named(call: Call) -> tuple[str, str]:
    return call.fields.required("name"), call.fields.required("version")


def shown(one: SeenRegistered) -> dict[str, Any]:
    """A registered model as clients read it."""
    model = one.model
    return {
        "name": model.name,
        "creation_timestamp": model.created_ms,
        "last_updated_timestamp": model.updated_ms,
        "description": model.description,
        "latest_versions": [version(each) for each in one.latest],
        "tags": [{"key": name, "value": value} for name, value in one.tags],
        "aliases": [
            {"alias": each.alias, "version": str(each.version)} for each in one.aliases
        ],
    }


def version(one: SeenVersion) -> dict[str, Any]:
    """A version as clients read it."""
    its = one.version
    answer: dict[str, Any] = {
        "name": one.name,
        "version": str(its.version),
        "creation_timestamp": its.created_ms,
        "last_updated_timestamp": its.updated_ms,
        "user_id": its.actor,
        "current_stage": its.stage,
        "description": its.description,
        "source": its.source,
        "run_id": its.run,
        "status": "READY",
        "run_link": its.run_link,
        "tags": marks.tags(one.tags, one.marks),
        "aliases": list(one.aliases),
    }
    if one.marks.tainted:
        answer["status_message"] = _TAINTED
    if its.model:
        answer["model_id"] = its.model
    return answer


ENDPOINTS = (
    Endpoint("POST", f"{_MODELS}/create", create),
    Endpoint("GET", f"{_MODELS}/get", get),
    Endpoint("GET", f"{_MODELS}/search", search),
    Endpoint("PATCH", f"{_MODELS}/update", update),
    Endpoint("POST", f"{_MODELS}/rename", rename),
    Endpoint("DELETE", f"{_MODELS}/delete", delete),
    Endpoint("GET", f"{_MODELS}/get-latest-versions", get_latest),
    Endpoint("POST", f"{_MODELS}/get-latest-versions", get_latest),
    Endpoint("POST", f"{_MODELS}/set-tag", set_tag),
    Endpoint("DELETE", f"{_MODELS}/delete-tag", delete_tag),
    Endpoint("POST", f"{_MODELS}/alias", set_alias),
    Endpoint("DELETE", f"{_MODELS}/alias", delete_alias),
    Endpoint("GET", f"{_MODELS}/alias", get_by_alias),
    Endpoint("POST", f"{_VERSIONS}/create", create_version),
    Endpoint("GET", f"{_VERSIONS}/get", get_version),
    Endpoint("GET", f"{_VERSIONS}/search", search_versions),
    Endpoint("PATCH", f"{_VERSIONS}/update", update_version),
    Endpoint("POST", f"{_VERSIONS}/transition-stage", stage_version),
    Endpoint("DELETE", f"{_VERSIONS}/delete", delete_version),
    Endpoint("POST", f"{_VERSIONS}/set-tag", set_version_tag),
    Endpoint("DELETE", f"{_VERSIONS}/delete-tag", delete_version_tag),
    Endpoint("GET", f"{_VERSIONS}/get-download-uri", download_uri),
)

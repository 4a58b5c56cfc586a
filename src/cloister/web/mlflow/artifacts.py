"""Artifacts over MLflow's interface: files through this server, listed, read and removed."""

from __future__ import annotations

from typing import Any

from cloister.web.mlflow.codec import missing
from cloister.web.mlflow.endpoint import Call, Endpoint, Streamed
from cloister.web.mlflow.runs import run_of
from cloister.workflows.tracking import artifacts, runs

_ALL = "/2.0/mlflow-artifacts/artifacts"
_SCHEME = "mlflow-artifacts:/"


def upload(call: Call) -> None:
    """``PUT mlflow-artifacts/artifacts/{path}``"""
    artifacts.put(call.visit, call.path["path"], call.body, call.size_bytes)


def download(call: Call) -> Streamed:
    """``GET mlflow-artifacts/artifacts/{path}``"""
    opened = artifacts.get(call.visit, call.path["path"])
    return Streamed(opened.size_bytes, opened.chunks)


def delete(call: Call) -> None:
    """``DELETE mlflow-artifacts/artifacts/{path}``"""
    artifacts.remove(call.visit, call.path["path"])


def list_below(call: Call) -> dict[str, Any]:
    """``GET mlflow-artifacts/artifacts``"""
    address = call.fields.text("path").strip("/") or missing("path")
    return {"files": listed(call, address, "")}


def list_of_run(call: Call) -> dict[str, Any]:
    """``artifacts/list``"""
    run = runs.get(call.visit, run_of(call.fields)).run
    path = call.fields.text("path").strip("/")
    root = run.artifacts.removeprefix(_SCHEME)
    address = f"{root}/{path}" if path else root
    return {"root_uri": run.artifacts, "files": listed(call, address, path)}


def listed(call: Call, address: str, below: str) -> list[dict[str, Any]]:
    """What lies directly at ``address``, each by its path from ``below``'s own folder."""
    prefix = f"{below}/" if below else ""
    files = []
    for entry in artifacts.entries(call.visit, address):
        file: dict[str, Any] = {"path": prefix + entry.name, "is_dir": entry.is_folder}
        if not entry.is_folder:
            file["file_size"] = entry.size_bytes
        files.append(file)
    return files


ENDPOINTS = (
    Endpoint("GET", _ALL, list_below),
    Endpoint("PUT", f"{_ALL}/{{path:path}}", upload, takes_stream=True),
    Endpoint("GET", f"{_ALL}/{{path:path}}", download),
    Endpoint("DELETE", f"{_ALL}/{{path:path}}", delete),
    Endpoint("GET", "/2.0/mlflow/artifacts/list", list_of_run),
)

"""Files in parts over MLflow's interface: each part is sent to this server too."""

from __future__ import annotations

import re
from typing import Any

from cloister.core.errors import BadInput
from cloister.web.mlflow.endpoint import Call, Endpoint
from cloister.workflows.tracking import uploads

_ROOT = "/2.0/mlflow-artifacts/mpu"
_PASSED_ON = ("authorization",)
"""A client sends parts without its credentials, but with the headers it is told to."""


def create(call: Call) -> dict[str, Any]:
    """``mpu/create/{path}``"""
    parts = call.fields.whole("num_parts", 1)
    upload = uploads.begin(call.visit, _address(call), parts)
    headers = {name: call.headers[name] for name in _PASSED_ON if name in call.headers}
    part = f"{call.origin}/api{_ROOT}/part/{upload}"
    return {
        "upload_id": upload,
        "credentials": [
            {"url": f"{part}/{number}", "part_number": number, "headers": headers}
            for number in range(1, parts + 1)
        ],
    }


def put_part(call: Call) -> None:
    """``PUT mpu/part/{upload}/{number}``"""
    number = call.path["number"]
    if not (number.isascii() and number.isdecimal() and len(number) < 6):
        raise BadInput("Invalid number of a part")
    uploads.put_part(
        call.visit, call.path["upload_id"], int(number), call.body, call.size_bytes
    )


def complete(call: Call) -> None:
    """``mpu/complete/{path}``"""
    numbers = [part.whole("part_number") for part in call.fields.messages("parts")]
    uploads.complete(call.visit, call.fields.required("upload_id"), _address(call), numbers)


def abort(call: Call) -> None:
    """``mpu/abort/{path}``"""
    uploads.abort(call.visit, call.fields.required("upload_id"))


def _address(call: Call) -> str:
    """Where the file goes: a client says the folder, and where it has the file itself."""
    name = re.split(r"[/\\]", call.fields.required("path"))[-1]
    return f"{call.path['path'].strip('/')}/{name}"


ENDPOINTS = (
    Endpoint("POST", f"{_ROOT}/create/{{path:path}}", create),
    Endpoint("PUT", f"{_ROOT}/part/{{upload_id}}/{{number}}", put_part, takes_stream=True),
    Endpoint("POST", f"{_ROOT}/complete/{{path:path}}", complete),
    Endpoint("POST", f"{_ROOT}/abort/{{path:path}}", abort),
)

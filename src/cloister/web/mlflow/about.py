"""What the server says of itself, to anybody."""

from __future__ import annotations

from cloister.web.mlflow.endpoint import Call, Endpoint

SPOKEN = "3.18.0"
"""The release of MLflow whose interface this is; clients ask for it."""


class Text(str):
    """Sent as text, not as JSON."""

    __slots__ = ()


def health(_: Call) -> Text:
    """That it answers."""
    return Text("OK")


def version(_: Call) -> Text:
    """Which MLflow it speaks."""
    return Text(SPOKEN)


def server_info(_: Call) -> dict[str, object]:
    """What clients need to know before they ask for more."""
    return {
        "store_type": "SqlStore",
        "artifact_serving_enabled": True,
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": False,
        "multipart_downloads_enabled": False,
        "features_enabled": {"gateway": False, "scheduled_issue_detection": False},
    }


OPEN = (
    Endpoint("GET", "/health", health),
    Endpoint("GET", "/version", version),
    Endpoint("GET", "/3.0/mlflow/server-info", server_info),
)
"""Answered without a token."""

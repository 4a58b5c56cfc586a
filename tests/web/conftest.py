"""The application over a module's own ``lab``, and MLflow's own client of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.tracking.lab import TrackingLab
from tests.tracking.server import TOKEN, serving


@pytest.fixture(scope="module")
def url(lab: TrackingLab) -> Iterator[str]:
    with serving(lab) as address:
        yield address


@pytest.fixture(scope="module")
def mlflow(url: str) -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        import mlflow

        mlflow.set_tracking_uri(url)
        yield mlflow
        mlflow.set_tracking_uri(None)


@pytest.fixture
def traced(mlflow: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client that has told all when a call returns."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    mlflow.tracing.reset()
    yield mlflow
    mlflow.tracing.reset()

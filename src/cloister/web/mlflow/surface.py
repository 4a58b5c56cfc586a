"""Every endpoint of MLflow that is answered, gathered from the files that answer them."""

from __future__ import annotations

from cloister.web.mlflow import (
    about,
    artifacts,
    assessments,
    experiments,
    log,
    logged_models,
    metrics,
    registry,
    runs,
    traces,
    uploads,
)
from cloister.web.mlflow.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *experiments.ENDPOINTS,
    *runs.ENDPOINTS,
    *log.ENDPOINTS,
    *metrics.ENDPOINTS,
    *artifacts.ENDPOINTS,
    *uploads.ENDPOINTS,
    *logged_models.ENDPOINTS,
    *registry.ENDPOINTS,
    *traces.ENDPOINTS,
    *assessments.ENDPOINTS,
)
"""Answered to callers who are known: each module of this package adds its own."""
OPEN: tuple[Endpoint, ...] = about.OPEN
"""Answered to anybody."""

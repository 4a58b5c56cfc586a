"""Histories of metrics over MLflow's interface."""

from __future__ import annotations

from typing import Any

from cloister.web.mlflow.codec import Message, missing
from cloister.web.mlflow.endpoint import Call, Endpoint
from cloister.web.mlflow.errors import Refusal
from cloister.web.mlflow.runs import run_of
from cloister.workflows.tracking import metrics
from cloister.workflows.tracking.metrics import PointOf


def history(call: Call) -> dict[str, Any]:
    """``metrics/get-history``"""
    fields = call.fields
    page = metrics.whole(
        call.visit,
        run_of(fields),
        fields.required("metric_key"),
        fields.whole("max_results") if fields.has("max_results") else None,
        fields.text("page_token"),
    )
    points = [
        {"key": name, "value": value, "timestamp": time_ms, "step": step}
        for name, value, time_ms, step in page.found
    ]
    answer: dict[str, Any] = {"metrics": points}
    if page.next_token:
        answer["next_page_token"] = page.next_token
    return answer


def together(call: Call) -> dict[str, Any]:
    """``metrics/get-history-bulk``"""
    fields = call.fields
    most = max(0, fields.whole("max_results", metrics.MOST_A_PAGE))
    runs = fields.texts("run_id")
    return _shown(metrics.together(call.visit, runs, fields.required("metric_key"), most))


def thinned(call: Call) -> dict[str, Any]:
    """``metrics/get-history-bulk-interval``"""
    fields = call.fields
    if not fields.has("run_ids"):
        missing("run_ids")
    return _shown(
        metrics.thinned(
            call.visit,
            fields.texts("run_ids"),
            fields.required("metric_key"),
            fields.whole("max_results", metrics.MOST_OF_A_RUN),
            _between(fields),
        )
    )


def _between(fields: Message) -> tuple[int, int] | None:
    first, last = fields.has("start_step"), fields.has("end_step")
    if first != last:
        said = "If either start step or end step are specified, both must be specified."
        raise Refusal("INVALID_PARAMETER_VALUE", said)
    return (fields.whole("start_step"), fields.whole("end_step")) if first else None


def _shown(found: list[PointOf]) -> dict[str, Any]:
    return {
        "metrics": [
            {"key": name, "value": value, "timestamp": time_ms, "step": step, "run_id": run}
            for run, (name, value, time_ms, step) in found
        ]
    }


ENDPOINTS = (
    Endpoint("GET", "/2.0/mlflow/metrics/get-history", history),
    Endpoint("GET", "/2.0/mlflow/metrics/get-history-bulk", together),
    Endpoint("GET", "/2.0/mlflow/metrics/get-history-bulk-interval", thinned),
)

"""Spans as a stock MLflow writes them, read here, and as they are written for it to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from cloister.core.errors import BadInput
from cloister.tracking import spans
from cloister.tracking.spans import Json
from cloister.tracking.stock.spans import of_stock, to_stock
from tests.tracking.test_spans import SPANS, in_hex

pytestmark = pytest.mark.filterwarnings("ignore")  # of what MLflow imports


@settings(max_examples=60)
@given(SPANS)
def test_what_is_written_is_read_again(said: Json) -> None:
    body = spans.read(in_hex(said), "Span")
    written = json.dumps(to_stock(body))
    assert json.dumps(to_stock(of_stock(json.loads(written)))) == written


def test_mlflow_reads_what_is_written_and_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    import mlflow
    from mlflow.entities import Span

    value = {"a": [1, 2.5, None, True, "ä"], "b": {}}
    mlflow.set_tracking_uri(f"file://{tmp_path}/mlruns")
    mlflow.tracing.reset()
    with mlflow.start_span("ask", attributes={"deep": value, "n": 7, "t": "7"}) as live:
        live.add_event(mlflow.entities.SpanEvent("found", attributes={"n": 2}))
    theirs: dict[str, Any] = live.to_dict()
    body = of_stock(json.loads(json.dumps(theirs)))
    mlflow.set_tracking_uri(None)
    mlflow.tracing.reset()
    again = Span.from_dict(to_stock(body))
    assert again.to_dict() == Span.from_dict(theirs).to_dict()
    by_hex = theirs | {"trace_id": body["traceId"], "span_id": body["spanId"]}
    assert of_stock(by_hex) == body


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1])
def test_the_least_and_the_largest_integer_stay_integers(number: int) -> None:
    event = {"name": "found", "time_unix_nano": 1, "attributes": {"n": number}}
    said = {"trace_id": "ab" * 16, "span_id": "cd" * 8, "start_time_unix_nano": 1}
    written = to_stock(of_stock(said | {"events": [event]}))
    assert written["events"][0]["attributes"] == {"n": number}


@pytest.mark.parametrize(
    "change",
    [
        {"trace_id": "?"},
        {"trace_id": None},
        {"span_id": "AAAA=="},
        {"start_time_unix_nano": "soon"},
        {"attributes": [1]},
        {"events": [7]},
        {"status": "OK"},
    ],
)
def test_another_form_is_refused(change: dict[str, Any]) -> None:
    good = {"trace_id": "ab" * 16, "span_id": "cd" * 8, "start_time_unix_nano": 1}
    assert of_stock(good)["traceId"] == "ab" * 16
    with pytest.raises(BadInput):
        of_stock(good | change)

"""Traces by MLflow's own client: called, found, read, tagged and really deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.tracking.sealing import SealingLab, sealing_lab
from tests.tracking.server import TOKEN

pytestmark = pytest.mark.filterwarnings("ignore")  # of what MLflow imports


@pytest.fixture(scope="module")
def lab() -> Iterator[SealingLab]:
    with sealing_lab() as made:
        yield made


def called(mlflow: Any, said: str = "what of it") -> str:
    """The id of a trace of two spans."""

    @mlflow.trace(name="ask", attributes={"model": "small"})  # type: ignore[misc]
    def ask(question: str, most: int = 7) -> dict[str, Any]:
        with mlflow.start_span("look up", span_type="RETRIEVER") as span:
            span.set_inputs({"query": question})
            span.set_attributes({"score": 0.25, "hits": [1, 2], "deep": {"a": {"b": None}}})
            span.add_event(mlflow.entities.SpanEvent("found", attributes={"n": 2}))
            span.set_outputs(["a", "b"])
        return {"answer": question.upper()}

    ask(said)
    found: str = mlflow.get_last_active_trace_id()
    return found


def test_a_traced_call_is_found_and_read(traced: Any) -> None:
    experiment = traced.set_experiment("calls").experiment_id
    with traced.start_run() as run:
        name = called(traced)
    trace = traced.get_trace(name)
    assert trace.info.experiment_id == experiment
    assert trace.info.state == "OK"
    assert trace.info.trace_metadata["mlflow.sourceRun"] == run.info.run_id
    assert trace.info.tags["mlflow.traceName"] == "ask"
    assert trace.info.tags["mlflow.trace.spansLocation"] == "TRACKING_STORE"
    assert json.loads(trace.info.request_preview) == {"question": "what of it", "most": 7}
    assert json.loads(trace.info.response_preview) == {"answer": "WHAT OF IT"}
    root, inner = trace.data.spans
    assert (root.name, root.parent_id, root.inputs["most"]) == ("ask", None, 7)
    assert root.attributes["model"] == "small"
    assert (inner.name, inner.parent_id) == ("look up", root.span_id)
    assert (inner.span_type, inner.outputs) == ("RETRIEVER", ["a", "b"])
    assert inner.attributes["score"] == 0.25
    assert inner.attributes["deep"] == {"a": {"b": None}}
    assert [(one.name, one.attributes) for one in inner.events] == [("found", {"n": 2})]
    (found,) = traced.search_traces(
        locations=[experiment], run_id=run.info.run_id, return_type="list"
    )
    assert found.to_dict() == trace.to_dict()


def test_calls_beside_one_another_are_told_in_the_background(
    mlflow: Any, traced: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "true")
    mlflow.tracing.reset()
    experiment = mlflow.set_experiment("background").experiment_id
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(lambda _: called(mlflow), range(12)))
    mlflow.flush_trace_async_logging(terminate=True)
    found = mlflow.search_traces(locations=[experiment], return_type="list")
    assert {one.info.trace_id for one in found} == names
    assert all(len(one.data.spans) == 2 for one in found)


def test_a_failure_is_told(traced: Any) -> None:
    experiment = traced.set_experiment("failing").experiment_id
    with pytest.raises(ZeroDivisionError), traced.start_span("divide"):
        1 / 0  # noqa: B018
    (found,) = traced.search_traces(
        locations=[experiment], filter_string="status = 'ERROR'", return_type="list"
    )
    (span,) = found.data.spans
    assert span.status.status_code == "ERROR"
    assert "ZeroDivisionError" in span.events[0].attributes["exception.type"]


def test_tags_are_set_searched_and_taken_off(traced: Any) -> None:
    experiment = traced.set_experiment("tagged").experiment_id
    first, second = called(traced), called(traced)
    traced.set_trace_tag(first, "good", "yes")
    wanted = {"locations": [experiment], "return_type": "list", "include_spans": False}
    (found,) = traced.search_traces(filter_string="tags.good = 'yes'", **wanted)
    assert found.info.trace_id == first
    assert len(traced.search_traces(filter_string="trace.name LIKE 'a%'", **wanted)) == 2
    newest = traced.search_traces(order_by=["timestamp_ms DESC"], **wanted)
    assert [one.info.trace_id for one in newest] == [second, first]
    traced.delete_trace_tag(first, "good")
    assert "good" not in traced.get_trace(first).info.tags
    with pytest.raises(traced.exceptions.MlflowException, match="No trace tag"):
        traced.delete_trace_tag(first, "good")
    with pytest.raises(traced.exceptions.MlflowException, match="sealed"):
        traced.search_traces(filter_string="trace.text LIKE '%it%'", **wanted)


def test_pages_come_one_after_another(traced: Any) -> None:
    experiment = traced.set_experiment("pages").experiment_id
    names = [called(traced) for _ in range(3)]
    client, seen, token = traced.MlflowClient(), [], None
    while True:
        page = client.search_traces(locations=[experiment], max_results=2, page_token=token)
        seen += [one.info.trace_id for one in page]
        token = page.token
        if not token:
            break
    assert seen == names[::-1]


def test_what_is_deleted_is_gone(traced: Any, lab: SealingLab) -> None:
    experiment = traced.set_experiment("gone").experiment_id
    before = lab.stored()
    names = [called(traced) for _ in range(3)]
    assert lab.stored() > before
    client = traced.MlflowClient()
    assert client.delete_traces(experiment, trace_ids=[names[0]]) == 1
    with pytest.raises(traced.exceptions.MlflowException, match="not found"):
        client.get_trace(names[0])
    assert client.delete_traces(experiment, max_timestamp_millis=2**52, max_traces=1) == 1
    assert client.delete_traces(experiment, max_timestamp_millis=2**52) == 1
    assert client.search_traces(locations=[experiment]) == []
    assert lab.stored() == before


def test_a_trace_without_otlp_keeps_its_spans_as_a_file(traced: Any) -> None:
    """As older clients send them, and any whose spans did not come the other way."""
    experiment = traced.set_experiment("files").experiment_id
    from mlflow.tracing.client import TracingClient

    name = called(traced)
    trace = traced.get_trace(name)
    trace.info.trace_id = f"tr-{'ab' * 16}"
    del trace.info.tags["mlflow.trace.spansLocation"]
    told = TracingClient().start_trace(trace.info)
    assert "mlflow.trace.spansLocation" not in told.tags
    TracingClient()._upload_trace_data(told, trace.data)
    again = traced.get_trace(trace.info.trace_id)
    assert [one.name for one in again.data.spans] == ["ask", "look up"]
    assert experiment == again.info.experiment_id


def posted(url: str, body: bytes | dict[str, Any], kind: str, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = {"authorization": f"Bearer {TOKEN}", "content-type": kind}
    return requests.post(f"{url}/v1/traces", data=content, headers=known | headers, timeout=30)


def otlp(trace: str, **more: Any) -> dict[str, Any]:
    span = {
        "traceId": trace,
        "spanId": "00f067aa0ba902b7",
        "name": "GET /things",
        "kind": "SPAN_KIND_SERVER",
        "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": 1544712661500000000,
        "attributes": [{"key": "http.status_code", "value": {"intValue": "200"}}],
        "unknown": {"passed": "over"},
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span | more]}]}]}


def test_spans_of_any_opentelemetry_client_become_a_trace(traced: Any, url: str) -> None:
    experiment = traced.set_experiment("foreign").experiment_id
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with traced.start_run() as run:
        pass
    header = {"x-mlflow-experiment-id": experiment, "x-mlflow-run-id": run.info.run_id}
    answer = posted(url, otlp(trace), "application/json; charset=utf-8", **header)
    assert (answer.status_code, answer.json()) == (200, {})
    found = traced.get_trace(f"tr-{trace}")
    assert (found.info.state, found.info.execution_duration) == ("OK", 1500)
    assert found.info.tags["mlflow.traceName"] == "GET /things"
    assert found.info.trace_metadata["mlflow.sourceRun"] == run.info.run_id
    (span,) = found.data.spans
    assert span.attributes["http.status_code"] == 200
    assert span.start_time_ns == 1544712660000000000


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"\xff\xff", "application/x-protobuf"),
        (b"", "application/x-protobuf"),
        (b"{}", "text/plain"),
        (otlp("00" * 16), "application/json"),
        (otlp("4bf9"), "application/json"),
        (otlp("4b" * 16, spanId="x"), "application/json"),
        (otlp("4b" * 16, startTimeUnixNano="+7"), "application/json"),
        (
            otlp("4b" * 16, attributes=[{"key": "a", "value": {"intValue": 1.5}}]),
            "application/json",
        ),
    ],
)
def test_what_is_no_otlp_is_refused(url: str, body: Any, kind: str) -> None:
    answer = posted(url, body, kind, **{"x-mlflow-experiment-id": "0"})
    assert answer.status_code == 400
    assert answer.json()["error_code"] in {"BAD_REQUEST", "INVALID_PARAMETER_VALUE"}


def test_an_experiment_is_needed_and_must_be_there(url: str) -> None:
    body = otlp("4c" * 16)
    assert posted(url, body, "application/json").status_code == 400
    header = {"x-mlflow-experiment-id": "987654"}
    assert posted(url, body, "application/json", **header).status_code == 404


def test_a_trace_of_a_deleted_experiment_is_hidden(traced: Any) -> None:
    experiment = traced.set_experiment("hidden").experiment_id
    name = called(traced)
    client = traced.MlflowClient()
    client.delete_experiment(experiment)
    with pytest.raises(traced.exceptions.MlflowException, match="not found"):
        client.get_trace(name)
    client.restore_experiment(experiment)
    assert client.get_trace(name).info.trace_id == name

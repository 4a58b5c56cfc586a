"""Traces over MLflow's interface, and spans over OpenTelemetry's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from cloister.core.errors import BadInput
from cloister.tracking import assessments, spans, times
from cloister.tracking.notes import Note
from cloister.tracking.traces import RUNNING, missing
from cloister.web.mlflow.assessments import new_assessment
from cloister.web.mlflow.codec import Message
from cloister.web.mlflow.endpoint import Call, Endpoint, Protobuf
from cloister.web.mlflow.errors import Refusal
from cloister.web.mlflow.protobuf import decode
from cloister.workflows.tracking import trace_reading, traces
from cloister.workflows.tracking.trace_reading import SeenTrace
from cloister.workflows.tracking.traces import NewTrace

_ROOT = "/3.0/mlflow/traces"
_ONE = f"{_ROOT}/{{trace_id}}"
_OLD = "/2.0/mlflow/traces"
_PAGE = 100
_LOCATION = "mlflow.artifactLocation"
_SPANS = "mlflow.trace.spansLocation"
_OURS = frozenset({_LOCATION, _SPANS})
_EXPERIMENT, _RUN = "x-mlflow-experiment-id", "x-mlflow-run-id"
_STATES = {"0": "STATE_UNSPECIFIED", "1": "OK", "2": "ERROR", "3": RUNNING}
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s")


def export(call: Call) -> object:
    """``POST /v1/traces``: OTLP, in either of its encodings."""
    kind = call.headers.get("content-type", "").split(";")[0].strip()
    content = b"".join(call.body)
    if kind == "application/x-protobuf":
        request = decode(content, "Request")
    elif kind == "application/json":
        request = spans.read(_json(content), "Request")
    else:
        raise Refusal(
            "BAD_REQUEST",
            "Invalid Content-Type: expected application/x-protobuf or application/json",
        )
    experiment = call.headers.get(_EXPERIMENT)
    if experiment is None:
        raise Refusal("BAD_REQUEST", f"the header {_EXPERIMENT} is needed")
    found = spans.of_request(request)
    if not found:
        raise Refusal("BAD_REQUEST", "Invalid OpenTelemetry format - no spans found")
    traces.add(call.visit, experiment, found, call.headers.get(_RUN, ""))
    return Protobuf() if kind == "application/x-protobuf" else {}


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Refusal("BAD_REQUEST", "the body is not JSON") from None


def start(call: Call) -> dict[str, Any]:
    """``POST traces``: named for a start, sent at the end."""
    said = call.fields.message("trace")
    said = said.message("trace_info") if said is not None else None
    if said is None:
        raise BadInput("Missing value for required parameter 'trace.trace_info'")
    new = NewTrace(
        trace=said.required("trace_id"),
        experiment=_experiment(said.message("trace_location")),
        started_ms=times.read(said.required("request_time"), "request_time"),
        state=_STATES.get(str(said.raw("state")), str(said.raw("state") or _STATES["0"])),
        duration_ms=_duration_ms(said.optional("execution_duration")),
        client=said.optional("client_request_id"),
        given=said.optional("request_preview"),
        gave=said.optional("response_preview"),
        metadata=_notes(said.mapping("trace_metadata")),
        tags=tuple(n for n in _notes(said.mapping("tags")) if n.name not in _OURS),
        assessments=tuple(new_assessment(call, one) for one in said.messages("assessments")),
    )
    traces.tell(call.visit, new)
    return {"trace": {"trace_info": shown(trace_reading.info(call.visit, new.trace))}}


def info(call: Call) -> dict[str, Any]:
    """``GET traces/{id}``"""
    found = trace_reading.info(call.visit, call.path["trace_id"])
    return {"trace": {"trace_info": shown(found)}}


def get(call: Call) -> dict[str, Any]:
    """``GET traces/get``: with its spans."""
    name = call.fields.required("trace_id")
    found = trace_reading.whole(call.visit, [name])
    if not found:
        raise missing(name)
    return {"trace": _whole(*found[0])}


def get_many(call: Call) -> dict[str, Any]:
    """``GET traces/batchGet``"""
    found = trace_reading.whole(call.visit, call.fields.texts("trace_ids"))
    wanted = _within(call.fields)
    return {"traces": [_whole(*each) for each in found if wanted(each[0])]}


def get_infos(call: Call) -> dict[str, Any]:
    """``POST traces/batchGetInfos``"""
    found = trace_reading.infos(call.visit, call.fields.texts("trace_ids"))
    wanted = _within(call.fields)
    return {"trace_infos": [shown(each) for each in found if wanted(each)]}


def search(call: Call) -> dict[str, Any]:
    """``traces/search``"""
    fields = call.fields
    locations = fields.messages("locations")
    page = trace_reading.search(
        call.visit,
        [_experiment(one) for one in locations],
        fields.text("filter"),
        fields.texts("order_by"),
        fields.whole("max_results", _PAGE) or _PAGE,
        fields.text("page_token"),
    )
    answer: dict[str, Any] = {"traces": [shown(one) for one in page.found]}
    if page.next_token:
        answer["next_page_token"] = page.next_token
    return answer


def delete(call: Call) -> dict[str, Any]:
    """``traces/delete-traces``"""
    fields = call.fields
    gone = traces.delete(
        call.visit,
        fields.required("experiment_id"),
        fields.whole("max_timestamp_millis") if fields.has("max_timestamp_millis") else None,
        fields.whole("max_traces") if fields.has("max_traces") else None,
        fields.texts("request_ids"),
    )
    return {"traces_deleted": gone}


def set_tag(call: Call) -> None:
    """``PATCH traces/{id}/tags``"""
    tag = Note(call.fields.required("key"), call.fields.text("value"))
    if tag.name in _OURS:
        raise BadInput("this tag says where the trace is kept, and cannot be changed")
    traces.set_tag(call.visit, call.path["trace_id"], tag)


def delete_tag(call: Call) -> None:
    """``DELETE traces/{id}/tags``"""
    traces.remove_tag(call.visit, call.path["trace_id"], call.fields.required("key"))


def link(call: Call) -> None:
    """``POST traces/link-to-run``"""
    fields = call.fields
    traces.link(call.visit, fields.required("run_id"), fields.texts("trace_ids"))


def _within(fields: Message) -> Any:
    numbers = set(fields.texts("experiment_ids"))
    return lambda one: not fields.has("experiment_ids") or str(one.trace.experiment) in numbers


def _experiment(location: Message | None) -> str:
    home = None if location is None else location.message("mlflow_experiment")
    if home is None:
        raise BadInput("Missing value for required parameter 'mlflow_experiment'")
    return home.required("experiment_id")


def _notes(said: Mapping[str, Any]) -> tuple[Note, ...]:
    pairs = (Message({"key": key, "value": value}) for key, value in said.items())
    return tuple(Note(pair.text("key"), pair.text("value")) for pair in pairs)


def _duration_ms(text: str | None) -> int | None:
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    if match is None or match[1]:
        raise BadInput("Invalid value for parameter 'execution_duration': such as 1.5s")
    return int(match[2]) * 1000 + int((match[3] or "0").ljust(9, "0")[:3])


def _whole(found: SeenTrace, bodies: list[spans.Json]) -> dict[str, Any]:
    return {
        "trace_info": shown(found),
        "spans": [spans.in_protojson(body) for body in bodies],
    }


def shown(one: SeenTrace) -> dict[str, Any]:
    """A trace as clients read it, without its spans."""
    trace = one.trace
    tags = dict(one.tags)
    tags[_LOCATION] = f"{one.root}/traces/{trace.trace}/artifacts"
    if one.has_spans:
        tags[_SPANS] = "TRACKING_STORE"
    answer: dict[str, Any] = {
        "trace_id": trace.trace,
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": str(trace.experiment)},
        },
        "request_time": times.written(trace.started_ms),
        "state": trace.state,
        "trace_metadata": dict((*one.metadata, *one.face.metadata)),
        "tags": tags,
        "assessments": assessments.all_shown(one.assessments, trace.trace),
    }
    if trace.duration_ms is not None:
        seconds, rest = divmod(min(trace.duration_ms, 315_576_000_000_000), 1000)
        answer["execution_duration"] = f"{seconds}.{rest:03d}s"
    said = {
        "client_request_id": trace.client,
        "request_preview": one.face.given,
        "response_preview": one.face.gave,
    }
    answer |= {name: value for name, value in said.items() if value is not None}
    return answer


ENDPOINTS = (
    Endpoint("POST", "/v1/traces", export, takes_bytes=True),
    Endpoint("POST", _ROOT, start),
    Endpoint("GET", f"{_ROOT}/get", get),
    Endpoint("GET", f"{_ROOT}/batchGet", get_many),
    Endpoint("POST", f"{_ROOT}/batchGetInfos", get_infos),
    Endpoint("POST", f"{_ROOT}/search", search),
    Endpoint("POST", f"{_ROOT}/delete-traces", delete),
    Endpoint("POST", f"{_OLD}/delete-traces", delete),
    Endpoint("POST", f"{_OLD}/link-to-run", link),
    Endpoint("GET", _ONE, info),
    Endpoint("PATCH", f"{_ONE}/tags", set_tag),
    Endpoint("DELETE", f"{_ONE}/tags", delete_tag),
    Endpoint("PATCH", f"{_OLD}/{{trace_id}}/tags", set_tag),
    Endpoint("DELETE", f"{_OLD}/{{trace_id}}/tags", delete_tag),
)

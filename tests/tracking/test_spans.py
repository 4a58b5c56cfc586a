"""Spans as they come and as they are stored: docs/formats/trace-spans.md."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from cloister.core.errors import BadInput
from cloister.tracking import spans
from cloister.tracking.spans import Json
from cloister.web.mlflow.errors import Refusal
from cloister.web.mlflow.protobuf import decode

GOLDEN = Path(__file__).parent.parent / "golden/trace-spans-1.json"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
TRACE_IDS = st.binary(min_size=16, max_size=16).filter(any)
SPAN_IDS = st.binary(min_size=8, max_size=8).filter(any)
ENCODED = {"traceId", "spanId", "parentSpanId"}


def of_bytes(ids: Any) -> Any:
    return ids.map(lambda raw: base64.b64encode(raw).decode())


VALUES: Any = st.recursive(
    st.one_of(
        st.builds(lambda v: {"stringValue": v}, TEXT),
        st.builds(lambda v: {"boolValue": v}, st.booleans()),
        st.builds(lambda v: {"intValue": str(v)}, st.integers(-(2**63), 2**63 - 1)),
        st.builds(
            lambda v: {"doubleValue": v},
            st.floats(allow_nan=False, allow_infinity=False)
            | st.sampled_from(["NaN", "Infinity", "-Infinity"]),
        ),
        st.builds(lambda v: {"bytesValue": v}, of_bytes(st.binary(max_size=9))),
        st.just({}),
    ),
    lambda inner: st.one_of(
        st.builds(lambda v: {"arrayValue": {"values": v}}, st.lists(inner, max_size=3)),
        st.builds(
            lambda v: {"kvlistValue": {"values": [{"key": k, "value": x} for k, x in v]}},
            st.lists(st.tuples(TEXT, inner), max_size=3),
        ),
    ),
    max_leaves=6,
)
ATTRIBUTES = st.lists(st.fixed_dictionaries({"key": TEXT, "value": VALUES}), max_size=3)
SPANS = st.fixed_dictionaries(
    {"traceId": of_bytes(TRACE_IDS), "spanId": of_bytes(SPAN_IDS)},
    optional={
        "parentSpanId": of_bytes(SPAN_IDS),
        "traceState": TEXT,
        "name": TEXT,
        "kind": st.integers(0, 5),
        "startTimeUnixNano": U64.map(str),
        "endTimeUnixNano": U64.map(str),
        "attributes": ATTRIBUTES,
        "droppedAttributesCount": U32,
        "events": st.lists(
            st.fixed_dictionaries(
                {"name": TEXT, "timeUnixNano": U64.map(str), "attributes": ATTRIBUTES}
            ),
            max_size=2,
        ),
        "links": st.lists(
            st.fixed_dictionaries(
                {"traceId": of_bytes(TRACE_IDS), "spanId": of_bytes(SPAN_IDS), "flags": U32}
            ),
            max_size=2,
        ),
        "status": st.fixed_dictionaries({"message": TEXT, "code": st.integers(0, 2)}),
        "flags": U32,
    },
)


def as_theirs(request: Json) -> Any:
    """What protocol buffers' own library makes of a request."""
    return ParseDict(request, ExportTraceServiceRequest())


def in_hex(value: Any) -> Any:
    """As OTLP's JSON has it: ids in hexadecimal digits."""
    if isinstance(value, list):
        return [in_hex(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(item).hex()
        if key in ENCODED and isinstance(item, str)
        else in_hex(item)
        for key, item in value.items()
    }


@settings(max_examples=100)
@given(st.lists(SPANS, min_size=1, max_size=3))
def test_both_encodings_are_read_as_the_reference_reads_them(said: list[Json]) -> None:
    theirs = as_theirs({"resourceSpans": [{"scopeSpans": [{"spans": said}]}]})
    of_wire = spans.of_request(decode(theirs.SerializeToString(), "Request"))
    plain = in_hex(MessageToDict(theirs))
    assert spans.of_request(spans.read(plain, "Request")) == of_wire
    snake = in_hex(MessageToDict(theirs, preserving_proto_field_name=True))
    for one in snake["resource_spans"][0]["scope_spans"][0]["spans"]:
        for key in ("trace_id", "span_id", "parent_span_id"):
            if key in one:
                one[key] = base64.b64decode(one[key]).hex()
        for link in one.get("links", ()):
            link["trace_id"] = base64.b64decode(link["trace_id"]).hex()
            link["span_id"] = base64.b64decode(link["span_id"]).hex()
    assert spans.of_request(spans.read(snake, "Request")) == of_wire
    # ... and given out so that the reference reads the same messages again.
    for span, one in zip(of_wire, theirs.resource_spans[0].scope_spans[0].spans, strict=True):
        again = ParseDict(spans.in_protojson(json.loads(json.dumps(span.body))), ProtoSpan())
        assert again.SerializeToString(deterministic=True) == one.SerializeToString(
            deterministic=True
        )


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(Refusal, BadInput):
        spans.of_request(decode(raw, "Request"))


@settings(max_examples=60)
@given(SPANS, st.data())
def test_a_message_that_breaks_off_is_refused_or_shorter(said: Json, data: Any) -> None:
    whole = as_theirs({"resourceSpans": [{"scopeSpans": [{"spans": [said]}]}]})
    raw = whole.SerializeToString()
    cut = data.draw(st.integers(1, len(raw) - 1))
    with pytest.raises(Refusal):
        decode(raw[:cut], "Request")


def test_what_is_nested_without_end_is_refused() -> None:
    deep: Any = {"stringValue": "x"}
    for _ in range(500):
        deep = {"arrayValue": {"values": [deep]}}
    with pytest.raises(BadInput, match="expected an object"):
        spans.read(deep, "AnyValue")
    raw = b""
    for _ in range(3000):
        raw = _part(5, _part(1, raw))
    with pytest.raises(Refusal):
        decode(raw, "AnyValue")


def _part(number: int, raw: bytes) -> bytes:
    size, digits = len(raw), b""
    while size > 127:
        digits, size = digits + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + digits + bytes([size]) + raw


def test_the_stored_form_is_the_golden_one() -> None:
    said = json.loads(GOLDEN.read_text())
    read = [spans.read(body, "Span") for body in said]
    assert read == said
    assert spans.texts(read) == ["ask", "model", "small", "none", "found", "too slow"]
    other = spans.with_texts(read, ["1", "2", "3", "4", "5", "6"])
    assert spans.texts(other) == ["1", "2", "3", "4", "5", "6"]
    assert read == said

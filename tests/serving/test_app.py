from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cloister.core.errors import DurabilityLost, Erased, Locked, NotAllowed
from cloister.serving import Execution, InferenceApp, Limits, LoadedModel, Served, build_app
from cloister.testing import onnx_models
from cloister.testing.inference import ACTOR, AppClient, MemoryRecorder, tokens, verified

INFER = "/v2/models/risk/infer"
SUBJECT = "sub_abcdefghijklmnop"


def ask(**changes: Any) -> dict[str, Any]:
    """A good request for the linear model, with ``changes`` to its one input."""
    one = {"name": "X", "shape": [1, 3], "datatype": "FP32", "data": [2.0, 1.0, 3.0]}
    return {"inputs": [{**one, **changes}]}


def client_for(
    content: bytes, recorder: MemoryRecorder, limits: Limits | None = None, **execution: Any
) -> AppClient:
    model = LoadedModel.load(verified(content), Served("risk", "1"), Execution(**execution))
    app = build_app(model, recorder, tokens(), limits=limits)
    return AppClient(app)


def test_the_server_says_what_it_is(client: AppClient) -> None:
    for path in ("/v2", "/v2/"):
        answer = client.get(path).json()
        assert answer["name"] == "cloister"
        assert answer["extensions"] == ["binary_tensor_data"]


def test_health_needs_no_token_and_tells_nothing(client: AppClient) -> None:
    client.headers.clear()
    live = client.get("/v2/health/live")
    assert live.json() == {"live": True}
    assert not [name for name in live.headers if name.startswith("cloister")]
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}


@pytest.mark.parametrize("address", ["/v2/models/risk", "/v2/models/risk/versions/1"])
def test_a_model_says_what_it_takes_and_gives(client: AppClient, address: str) -> None:
    assert client.get(f"{address}/ready").json() == {"name": "risk", "ready": True}
    assert client.get(address).json() == {
        "name": "risk",
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "Y", "datatype": "FP32", "shape": [-1, 1]}],
    }


@pytest.mark.parametrize("address", ["/v2/models/risk", "/v2/models/risk/versions/1"])
def test_a_prediction_is_marked_and_on_record(
    client: AppClient, recorder: MemoryRecorder, linear: LoadedModel, address: str
) -> None:
    request = {"id": "r-7", "parameters": {"subject": SUBJECT}, **ask()}
    response = client.post(f"{address}/infer", json=request)
    sha256 = linear.verified.sha256
    assert response.status_code == 200
    assert response.json() == {
        "model_name": "risk",
        "model_version": "1",
        "id": "r-7",
        "parameters": {"ledger_index": 0, "watermark": "unreleased", "model_sha256": sha256},
        "outputs": [{"name": "Y", "datatype": "FP32", "shape": [1, 1], "data": [11.0]}],
    }
    assert response.headers["cloister-watermark"] == "unreleased"
    assert response.headers["cloister-ledger-index"] == "0"
    assert response.headers["cloister-model-sha256"] == sha256
    assert response.headers["cache-control"] == "no-store"
    (facts,) = recorder.facts
    assert (facts.model_sha256, facts.actor, facts.subject) == (sha256, ACTOR, SUBJECT)


def test_a_released_model_carries_no_watermark(recorder: MemoryRecorder) -> None:
    model = LoadedModel.load(verified(onnx_models.linear()), Served("risk", "1", None))
    with AppClient(build_app(model, recorder, tokens())) as client:
        response = client.post(INFER, json=ask())
    assert "watermark" not in response.json()["parameters"]
    assert "cloister-watermark" not in response.headers


@pytest.mark.parametrize(
    "data", [[2.0, 1.0, 3.0, 0, 0, 1], [[2.0, 1.0, 3.0], [0, 0, 1]]], ids=["flat", "nested"]
)
def test_json_data_may_be_flat_or_nested(client: AppClient, data: list[Any]) -> None:
    response = client.post(INFER, json=ask(shape=[2, 3], data=data))
    assert response.json()["outputs"][0]["data"] == [11.0, 4.0]


def test_an_empty_batch_is_answered_with_an_empty_batch(client: AppClient) -> None:
    output = client.post(INFER, json=ask(shape=[0, 3], data=[])).json()["outputs"][0]
    assert (output["shape"], output["data"]) == ([0, 1], [])


def _binary(header: dict[str, Any], content: bytes) -> dict[str, Any]:
    text = json.dumps(header).encode()
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(text)),
    }
    return {"content": text + content, "headers": headers}


def test_tensors_travel_as_binary_data_both_ways(client: AppClient) -> None:
    one = {"name": "X", "shape": [1, 3], "datatype": "FP32"}
    header = {
        "inputs": [{**one, "parameters": {"binary_data_size": 12}}],
        "outputs": [{"name": "Y", "parameters": {"binary_data": True}}],
    }
    response = client.post(INFER, **_binary(header, struct.pack("<3f", 2, 1, 3)))
    size = int(response.headers["inference-header-content-length"])
    answer = json.loads(response.content[:size])
    assert response.headers["content-type"] == "application/octet-stream"
    assert answer["outputs"][0]["parameters"] == {"binary_data_size": 4}
    assert "data" not in answer["outputs"][0]
    assert struct.unpack("<f", response.content[size:]) == (11.0,)


@pytest.mark.parametrize(("wish", "binary"), [({}, True), ({"binary_data": False}, False)])
def test_one_output_overrides_the_wish_for_all(
    client: AppClient, wish: dict[str, bool], binary: bool
) -> None:
    request = ask() | {
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "Y", "parameters": wish}],
    }
    response = client.post(INFER, json=request)
    assert ("inference-header-content-length" in response.headers) is binary


@pytest.mark.parametrize(
    ("request_json", "said"),
    [
        ([], "must be a JSON object"),
        ({}, "'inputs' must be a list"),
        ({"inputs": [3]}, "'inputs' must be a list"),
        ({"inputs": []}, "takes these inputs, each once: X"),
        ({"inputs": ask()["inputs"] * 2}, "takes these inputs, each once: X"),
        (ask(name="Z"), "takes these inputs, each once: X"),
        (ask(name=["X"]), "takes these inputs, each once: X"),
        (ask(datatype="FP64"), "datatype must be FP32"),
        (ask(datatype=None), "datatype must be FP32"),
        (ask(shape=[3]), r"shape must be [-1, 3]"),
        (ask(shape=[1, 4]), r"shape must be [-1, 3]"),
        (ask(shape=[-1, 3]), "must be a list of sizes"),
        (ask(shape=[1.0, 3]), "must be a list of sizes"),
        (ask(shape=[True, 3]), "must be a list of sizes"),
        (ask(shape="13"), "must be a list of sizes"),
        (ask(shape=[2**31, 3]), "more than"),
        (ask(data=[1.0, 2.0]), "as many elements"),
        (ask(data=[[1.0], [2.0], [3.0]]), "as many elements"),
        (ask(data=[[[1.0, 2.0, 3.0]]]), "as many elements"),
        (ask(data=[[1.0, 2.0, [3.0]]]), "is not FP32"),
        (ask(data="1,2,3"), "as many elements"),
        (ask(data=None), "as many elements"),
        (ask(data=["1", "2", "3"]), "is not FP32"),
        (ask(data=[True, 2.0, 3.0]), "is not FP32"),
        (ask(data=[None, 2.0, 3.0]), "is not FP32"),
        (ask(data=[1e39, 2.0, 3.0]), "NaN or an infinity"),
        (ask(data=[10**400, 2.0, 3.0]), "out of FP32's range"),
        (ask(parameters={"binary_data_size": 12}), "as JSON and as binary"),
        (ask(parameters={"shared_memory_region": "r"}), "unknown parameter on an input"),
        (ask(parameters=[]), "unknown parameter on an input"),
        (ask() | {"parameters": {"patient": "1"}}, "unknown parameter on the request"),
        (ask() | {"parameters": {"binary_data_output": 1}}, "must be true or false"),
        (ask() | {"id": 5}, "'id' must be a string"),
        (ask() | {"id": "x" * 257}, "'id' must be a string"),
        (ask() | {"outputs": [{"name": "Z"}]}, "unknown; the model has: Y"),
        (ask() | {"outputs": [{"name": "Y"}] * 2}, "twice or unknown"),
        (
            ask() | {"outputs": [{"name": "Y", "parameters": {"classification": 2}}]},
            "unknown parameter on an output",
        ),
    ],
)
def test_a_request_that_does_not_fit_is_refused(
    client: AppClient, recorder: MemoryRecorder, request_json: Any, said: str
) -> None:
    response = client.post(INFER, json=request_json)
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert said in response.json()["error"]
    assert recorder.facts == []


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_nonfinite_numbers_go_in_only_where_allowed(
    client: AppClient, recorder: MemoryRecorder, constant: str
) -> None:
    body = json.dumps(ask(data=[0, 0, 1234])).replace("1234", constant)
    headers = {"content-type": "application/json"}
    assert client.post(INFER, content=body, headers=headers).status_code == 400
    with client_for(onnx_models.linear(), recorder, allow_nonfinite=True) as tolerant:
        assert tolerant.post(INFER, content=body, headers=headers).status_code == 200


def test_an_answer_that_is_not_finite_stays_here(
    client: AppClient, recorder: MemoryRecorder
) -> None:
    response = client.post(INFER, json=ask(data=[0, 0, 3e38]))
    assert (response.status_code, recorder.facts) == (400, [])
    assert "NaN or an infinity" in response.json()["error"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/models/other", 404),
        ("/v2/models/risk/versions/2", 404),
        ("/v2/models/risk/versions/2/ready", 404),
        ("/v2/repository/index", 404),
        ("/", 404),
        ("/v2/models/risk/infer", 405),
    ],
)
def test_other_addresses_are_answered_in_the_protocols_shape(
    client: AppClient, path: str, status: int
) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert list(response.json()) == ["error"]


def test_strings_travel_as_json_and_as_binary_data(recorder: MemoryRecorder) -> None:
    words = ["Ärzte", "", "x"]
    packed = b"".join(struct.pack("<I", len(w.encode())) + w.encode() for w in words)
    one = {"name": "X", "shape": [3], "datatype": "BYTES"}
    binary = {"inputs": [{**one, "parameters": {"binary_data_size": len(packed)}}]}
    with client_for(onnx_models.identity(onnx_models.STRING), recorder) as client:
        plain = client.post(INFER, json={"inputs": [{**one, "data": words}]}).json()
        packed_answer = client.post(INFER, **_binary(binary, packed)).json()
    assert plain["outputs"] == packed_answer["outputs"]
    assert plain["outputs"][0]["data"] == words


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Locked("x"), 503), (OSError(), 503), (NotAllowed("x"), 403), (Erased("x"), 404)],
)
def test_an_answer_that_cannot_be_recorded_stays_here(
    client: AppClient, recorder: MemoryRecorder, failure: Exception, status: int
) -> None:
    recorder.failure = failure
    response = client.post(INFER, json=ask())
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    recorder.failure = None
    assert client.post(INFER, json=ask()).status_code == 200


def test_a_record_that_broke_ends_all_answers(
    client: AppClient, app: InferenceApp, recorder: MemoryRecorder
) -> None:
    stopped: list[bool] = []
    app.health.on_failure = lambda: stopped.append(True)
    recorder.failure = DurabilityLost("fsync failed")
    assert client.post(INFER, json=ask()).status_code == 503
    recorder.failure = None
    assert client.post(INFER, json=ask()).status_code == 503
    assert client.get("/v2/health/ready").status_code == 503
    assert client.get("/v2/health/live").status_code == 200
    assert stopped == [True]


@pytest.fixture
def small(recorder: MemoryRecorder) -> Iterator[AppClient]:
    limits = Limits(body_bytes=500, json_bytes=300, tensor_elements=100, per_second=2)
    with client_for(onnx_models.linear(), recorder, limits) as client:
        yield client


async def _chunks(chunk: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield chunk


def test_a_large_body_is_refused_before_it_is_read(small: AppClient) -> None:
    assert small.post(INFER, content=b" " * 501).status_code == 413
    assert small.post(INFER, content=_chunks(b" " * 300, 3)).status_code == 413


def test_a_large_json_part_is_refused(small: AppClient) -> None:
    response = small.post(INFER, content=b" " * 400)
    assert response.status_code == 400
    assert "send tensors as binary data" in response.json()["error"]


def test_more_predictions_than_the_rate_allows_are_told_to_come_back(small: AppClient) -> None:
    responses = [small.post(INFER, json=ask()) for _ in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 429, 429]
    assert responses[-1].headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-encoding": "gzip"},
    ],
)
def test_other_kinds_of_body_are_refused(client: AppClient, headers: dict[str, str]) -> None:
    response = client.post(INFER, content=json.dumps(ask()), headers=headers)
    assert response.status_code == 415
    assert list(response.json()) == ["error"]


def test_answers_are_counted_by_status(client: AppClient, app: InferenceApp) -> None:
    client.post(INFER, json=ask())
    client.post(INFER, json={})
    assert app.statuses == {200: 1, 400: 1}

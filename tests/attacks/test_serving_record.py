"""Claim: no prediction leaves unrecorded, and nothing a caller sends is shown or logged."""

from __future__ import annotations

import logging
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from cloister.core.errors import DurabilityLost, Locked, NoSpace
from cloister.serving import InferenceApp, LoadedModel, PredictionFacts, Served, build_app
from cloister.testing import onnx_models
from cloister.testing.inference import AppClient, MemoryRecorder, tokens, verified

INFER = "/v2/models/risk/infer"
CANARY = "Zz-Canary-Zuberbuehler-1948"


def _app(content: bytes, recorder: MemoryRecorder) -> InferenceApp:
    model = LoadedModel.load(verified(content), Served("risk", "1"))
    return build_app(model, recorder, tokens())


@pytest.fixture
def recorder() -> MemoryRecorder:
    return MemoryRecorder()


@pytest.fixture
def client(recorder: MemoryRecorder) -> Iterator[AppClient]:
    with AppClient(_app(onnx_models.linear(), recorder)) as client:
        yield client


def _question(**changes: Any) -> dict[str, Any]:
    one = {"name": "X", "shape": [1, 3], "datatype": "FP32", "data": [2.0, 1.0, 3.0]}
    return {"inputs": [one], **changes}


@pytest.mark.parametrize(
    "failure",
    [Locked("x"), NoSpace("x"), DurabilityLost("x"), OSError(5, "x"), MemoryError()],
)
def test_what_cannot_be_recorded_does_not_leave(
    client: AppClient, recorder: MemoryRecorder, failure: Exception
) -> None:
    recorder.failure = failure
    response = client.post(INFER, json=_question())
    assert response.status_code == 503
    assert b"11.0" not in response.content
    assert struct.pack("<f", 11.0) not in response.content


def test_the_record_is_made_before_the_answer(client: AppClient) -> None:
    order: list[str] = []

    class Watching(MemoryRecorder):
        def __call__(self, facts: PredictionFacts, /) -> int:
            order.append("recorded")
            return super().__call__(facts)

    app = _app(onnx_models.linear(), Watching())
    inner = app.__call__

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            order.append(message["type"])
            await send(message)

        await inner(scope, receive, sending)

    with AppClient(app) as outer:
        outer._app = watched  # type: ignore[assignment]
        assert outer.post(INFER, json=_question()).status_code == 200
        outer._app = app
    assert order == ["recorded", "http.response.start", "http.response.body"]


@pytest.mark.parametrize(
    "subject",
    [CANARY, "1234567", "sub_x", "sub_ABCDEFGHIJKLMNOP", "run_abcdefghijklmnop", 7, ["x"],
     "sub_abcdefghijklmnop\n", " sub_abcdefghijklmnop", "sub_abcdefghijklmnop" * 3],
)  # fmt: skip
def test_only_a_pseudonym_names_a_subject(
    client: AppClient, recorder: MemoryRecorder, subject: object
) -> None:
    response = client.post(INFER, json=_question(parameters={"subject": subject}))
    assert response.status_code == 400
    assert str(subject) not in response.text
    assert recorder.facts == []


@pytest.mark.parametrize(
    "request_json",
    [
        _question(id=[CANARY]),
        _question(parameters={CANARY: 1}),
        _question(parameters={"subject": CANARY}),
        _question(outputs=[{"name": CANARY}]),
        _question(outputs=[{"name": "Y", "parameters": {CANARY: CANARY}}]),
        {"inputs": [{"name": CANARY}]},
        {"inputs": [{"name": "X", "datatype": CANARY}]},
        {"inputs": [{"name": "X", "datatype": "FP32", "shape": CANARY}]},
        {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 3], "data": [CANARY] * 3}]},
        {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 3], "data": {CANARY: 1}}]},
        {CANARY: CANARY},
        CANARY,
    ],
)
def test_an_error_repeats_nothing_of_the_request(
    client: AppClient, caplog: pytest.LogCaptureFixture, request_json: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    response = client.post(INFER, json=request_json)
    assert response.status_code == 400
    assert CANARY not in response.text + str(response.headers) + caplog.text


@pytest.mark.parametrize("path", [f"/v2/models/{CANARY}", f"/v2/models/risk/versions/{CANARY}"])
def test_an_unknown_address_is_not_repeated(
    client: AppClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(logging.INFO, "cloister")
    response = client.get(path)
    assert response.status_code == 404
    assert CANARY not in response.text
    assert not [r for r in caplog.records if r.name.startswith("cloister")]


def test_a_bug_in_the_server_does_not_tell_the_request(
    recorder: MemoryRecorder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _app(onnx_models.linear(), recorder)

    def broken(*_: object) -> None:
        raise TypeError(CANARY)

    monkeypatch.setattr(LoadedModel, "run", broken)
    with AppClient(app) as client:
        response = client.post(INFER, json=_question())
    assert response.json() == {"error": "internal error"}
    assert "TypeError" in caplog.text
    assert CANARY not in caplog.text


def test_the_runtimes_complaint_is_neither_answered_nor_printed() -> None:
    """Gather says which index was out of bounds: an input value, on standard error."""
    program = textwrap.dedent("""
        from cloister import serving
        from cloister.testing import onnx_models
        from cloister.testing.inference import AppClient, MemoryRecorder, tokens, verified
        served = serving.Served("risk", "1")
        model = serving.LoadedModel.load(verified(onnx_models.lookup()), served)
        with AppClient(serving.build_app(model, MemoryRecorder(), tokens())) as client:
            one = {"name": "I", "shape": [1], "datatype": "INT64", "data": [19480229]}
            print(client.post("/v2/models/risk/infer", json={"inputs": [one]}).text)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "the model cannot answer this input" in done.stdout
    assert "19480229" not in done.stdout + done.stderr
    assert done.stderr == ""

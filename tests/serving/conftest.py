from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloister.serving import InferenceApp, LoadedModel, Served, build_app
from cloister.testing import onnx_models
from cloister.testing.inference import AppClient, MemoryRecorder, tokens, verified


@pytest.fixture
def recorder() -> MemoryRecorder:
    return MemoryRecorder()


@pytest.fixture(scope="session")
def linear() -> LoadedModel:
    return LoadedModel.load(verified(onnx_models.linear()), Served("risk", "1"))


@pytest.fixture
def app(linear: LoadedModel, recorder: MemoryRecorder) -> InferenceApp:
    return build_app(linear, recorder, tokens())


@pytest.fixture
def client(app: InferenceApp) -> Iterator[AppClient]:
    with AppClient(app) as client:
        yield client

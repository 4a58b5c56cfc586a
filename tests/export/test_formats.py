"""What ordinary scripts leave, converted: the same predictions, in a model to be served."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloister.export import Limits, judge
from cloister.models.onnx import inspect
from tests.export.converting import Conversion, convert

NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.seen = torch.nn.Conv2d(1, width, 3)
        self.said = torch.nn.Linear(width, 3)

    def forward(self, x):
        return self.said(torch.relu(self.seen(x)).mean((2, 3)))

def needs(width):
    return Net(width)

def narrow():
    return Net(2)
"""
X = np.random.default_rng(1).standard_normal((60, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


def accepted(done: Conversion) -> None:
    """The model is near the original, and one that serving takes."""
    assert done.status == 0, (done.report, done.words[-2000:])
    outcome = judge(json.dumps(done.report).encode(), done.model, Limits())
    assert outcome.parity.rows > 0
    assert done.model is not None
    spec = inspect(done.model)
    assert not spec.remarks
    for tensor in (*spec.inputs, *spec.outputs):
        assert tensor.shape is not None
        assert tensor.shape[0] == "batch"


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(5, random_state=0).fit(X, Y)


@pytest.mark.parametrize("protocol", [0, pytest.param(2, marks=pytest.mark.slow), 5])
def test_a_pickle_of_scikit_learn(tmp_path: Path, protocol: int) -> None:
    model = forest()
    accepted(
        convert(tmp_path, "model.pkl", lambda p: p.write_bytes(pickle.dumps(model, protocol)))
    )


def estimators() -> dict[str, Callable[[], Any]]:
    from sklearn import cluster, decomposition, ensemble, linear_model, neighbors, svm
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    logistic = linear_model.LogisticRegression
    return {
        "pipeline": lambda: make_pipeline(StandardScaler(), logistic()).fit(X, Y),
        "named classes": lambda: logistic().fit(X, np.array(["no", "yes"])[Y]),
        "boosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=5).fit(X, Y),
        "regression": lambda: ensemble.GradientBoostingRegressor(n_estimators=5).fit(X, Y),
        "neighbours": lambda: neighbors.KNeighborsClassifier().fit(X, Y),
        "support vectors": lambda: svm.SVC().fit(X, Y),
        "linear scores": lambda: svm.LinearSVC().fit(X, Y),
        "scores at the end": lambda: make_pipeline(StandardScaler(), svm.SVC()).fit(X, Y),
        "clusters": lambda: cluster.KMeans(2, n_init=1).fit(X),
        "components": lambda: decomposition.PCA(2).fit(X),
        "generator": lambda: ensemble.RandomForestRegressor(
            3, random_state=np.random.RandomState(1)
        ).fit(X, Y),
        "in a dictionary": lambda: {"model": logistic().fit(X, Y), "threshold": 0.4},
    }


@pytest.mark.parametrize(
    "name",
    [
        "pipeline",
        "named classes",
        "boosting",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                "regression",
                "neighbours",
                "support vectors",
                "linear scores",
                "scores at the end",
                "clusters",
                "components",
                "generator",
                "in a dictionary",
            )
        ),
    ],
)
def test_a_joblib_file_of_scikit_learn(tmp_path: Path, name: str) -> None:
    import joblib

    model = estimators()[name]()
    accepted(convert(tmp_path, "model.joblib", lambda p: joblib.dump(model, p, compress=3)))


def test_lightgbm_in_its_own_file_and_at_the_end_of_a_pipeline(tmp_path: Path) -> None:
    import joblib
    import lightgbm
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    booster = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)
    fitted = make_pipeline(StandardScaler(), booster).fit(X, Y)
    own = fitted[-1].booster_
    accepted(convert(tmp_path, "model.txt", lambda p: own.save_model(str(p))))
    accepted(convert(tmp_path, "model.joblib", lambda p: joblib.dump(fitted, p)))


@pytest.mark.slow
def test_xgboost_in_its_own_files_and_in_a_pickle(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed")
    model = xgboost.XGBClassifier(n_estimators=5).fit(X, Y)
    for name in ("model.json", "model.ubj"):
        accepted(convert(tmp_path, name, lambda p: model.save_model(str(p))))
    accepted(convert(tmp_path, "model.pkl", lambda p: p.write_bytes(pickle.dumps(model))))


@pytest.fixture
def net(tmp_path: Path) -> Any:
    """The user's module, and the file that defines it."""
    import importlib.util

    (tmp_path / "work").mkdir()
    file = tmp_path / "work/net.py"
    file.write_text(NET)
    spec = importlib.util.spec_from_file_location("net", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["net"] = module
    try:
        spec.loader.exec_module(module)
        yield module.Net()
    finally:
        del sys.modules["net"]


IMAGE = ["1,9,9"]
OWN = {"arguments": ["--module=net.py"], "maker": "Net", "inputs": IMAGE}


def test_a_state_dict_and_safetensors_with_the_users_module(tmp_path: Path, net: Any) -> None:
    import torch
    from safetensors.torch import save_file

    nested = {"epoch": 3, "state_dict": net.state_dict()}
    accepted(convert(tmp_path, "model.pt", lambda p: torch.save(nested, p), **OWN))
    safe = convert(tmp_path, "w.safetensors", lambda p: save_file(net.state_dict(), p), **OWN)
    accepted(safe)


def test_torchscript_needs_no_module(tmp_path: Path, net: Any) -> None:
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.trace(net.eval(), torch.zeros(2, 1, 9, 9))
    accepted(convert(tmp_path, "m.pt", lambda p: script.save(str(p)), inputs=IMAGE))


@pytest.mark.slow
def test_whole_modules_and_files_of_old_versions(tmp_path: Path, net: Any) -> None:
    import torch

    accepted(convert(tmp_path, "own.pt", lambda p: torch.save(net, p), **OWN))
    layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    accepted(convert(tmp_path, "layers.pt", lambda p: torch.save(layers, p)))
    weights = net.state_dict()
    accepted(
        convert(
            tmp_path,
            "old.pt",
            lambda p: torch.save(weights, p, _use_new_zipfile_serialization=False),
            **OWN,
        )
    )
    unnamed = convert(tmp_path, "own.pt", lambda p: torch.save(net, p), inputs=IMAGE)
    assert "net.Net" in unnamed.report["failed"]
    assert "--module" in unnamed.report["hint"]


@pytest.mark.parametrize(
    ("maker", "what"),
    [
        ("narrow", "do not fit"),
        pytest.param("needs", "without arguments", marks=pytest.mark.slow),
        pytest.param("no", "no no", marks=pytest.mark.slow),
    ],
)
def test_a_module_that_does_not_fit_is_named(
    tmp_path: Path, net: Any, maker: str, what: str
) -> None:
    import torch

    done = convert(
        tmp_path,
        "model.pt",
        lambda p: torch.save(net.state_dict(), p),
        **OWN | {"maker": maker},
    )
    assert what in done.report["failed"]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "Keras"),
        ("m.pt", b"PK\x03\x04" + bytes(100), "damaged"),
        ("m.pkl", pickle.dumps([1, 2]), "0 models"),
        ("m.pkl", pickle.dumps({"a": 1}), "0 models"),
        ("m.pkl", b"\x80\x04", "cut off"),
        ("m.pkl", b"", "cut off"),
    ],
)
def test_what_is_no_model_is_refused_in_words(
    tmp_path: Path, name: str, content: bytes, what: str
) -> None:
    done = convert(tmp_path, name, lambda p: p.write_bytes(content))
    assert done.status == 3, done.words
    assert what in done.report["failed"]
    assert done.model is None

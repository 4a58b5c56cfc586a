"""Claim: no model file can run code, reach another file or exhaust the reader."""

from __future__ import annotations

import os
import pickle
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from onnx import ModelProto, helper

from cloister.core.errors import BadInput
from cloister.models.onnx import inspect
from cloister.serving import LoadedModel, Served
from cloister.testing import onnx_models
from cloister.testing.inference import verified
from cloister.testing.onnx_models import FLOAT

SERVED = Served("m", "1")


def _load(content: bytes) -> LoadedModel:
    return LoadedModel.load(verified(content), SERVED)


class _Trap:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_named_onnx_is_refused_unread(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "sprung"
    model = tmp_path / "model.onnx"
    model.write_bytes(pickle.dumps(_Trap(str(trap)), protocol))
    with pytest.raises(BadInput, match="a pickle"):
        _load(model.read_bytes())
    assert not trap.exists()


@pytest.mark.parametrize(
    "location", ["weights.bin", "../../../etc/passwd", "/etc/passwd", "*/_ORT_MEM_ADDR_/*", ""]
)
def test_weights_outside_the_file_are_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(12))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="outside its file"):
        _load(onnx_models.external(location))


def test_weights_outside_the_file_are_found_wherever_they_hide() -> None:
    tensor = ModelProto.FromString(onnx_models.external("x")).graph.initializer[0]
    constant = helper.make_node("Constant", [], ["W"], value=tensor)
    branch = helper.make_graph(
        [constant], "b", [], [helper.make_tensor_value_info("W", FLOAT, (3, 1))]
    )
    choice = helper.make_node("If", ["C"], ["W"], then_branch=branch, else_branch=branch)
    outputs = [("W", FLOAT, (3, 1))]
    for nodes, inputs in (([constant], []), ([choice], [("C", onnx_models.BOOL, ())])):
        with pytest.raises(BadInput, match="outside its file"):
            _load(onnx_models.saved(nodes, inputs, outputs))


@pytest.mark.parametrize("domain", ["com.evil", "com.microsoft", "ai.onnx.contrib", " "])
def test_operators_of_another_domain_are_refused(domain: str) -> None:
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(domain, 1)]
    node = helper.make_node("PyOp", ["X"], ["Y"], domain=domain)
    content = onnx_models.model(
        [node], [("X", FLOAT, (1,))], [("Y", FLOAT, (1,))], opset_imports=opsets
    ).SerializeToString()
    with pytest.raises(BadInput, match="outside the ONNX standard"):
        _load(content)


def test_the_runtimes_own_format_is_refused(tmp_path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(
        onnx_models.linear(), options, providers=["CPUExecutionProvider"]
    )
    with pytest.raises(BadInput, match="ONNX Runtime flatbuffer"):
        _load((tmp_path / "model.ort").read_bytes())


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, content: bytes, claim: int | None = None) -> bytes:
    size = len(content) if claim is None else claim
    return _varint(number << 3 | 2) + _varint(size) + content


HEAD = b"\x08\x0a" + _field(8, b"\x10\x15")


def _nested(depth: int) -> bytes:
    """A graph in an attribute of a node of a graph, over and over."""
    content = b""
    for _ in range(depth):
        content = _field(1, _field(5, _field(6, content)))
    return HEAD + _field(7, content)


def _functions(bodies: Sequence[Sequence[str]]) -> bytes:
    """Function ``n`` calls the named ones."""

    def node(operator: str) -> bytes:
        return _field(4, operator.encode()) + _field(7, b"own" if operator[0] == "f" else b"")

    functions = b"".join(
        _field(25, _field(1, b"f%d" % n) + _field(10, b"own") + b"".join(
            _field(7, node(operator)) for operator in body
        ))
        for n, body in enumerate(bodies)
    )  # fmt: skip
    return HEAD + _field(7, _field(1, node("f0"))) + functions


BOMBS = {
    "claims-2-GiB": HEAD + _field(7, b"abc", claim=2**31 - 1),
    "claims-2-64": HEAD + _field(7, b"abc", claim=2**64 - 1),
    "cut-off": onnx_models.linear()[:-5],
    "nested-1000-deep": _nested(1_000),
    "8-million-empty-nodes": HEAD + _field(7, b"\x0a\x00" * 8_000_000),
    "a-function-that-calls-itself": _functions([["f0"]]),
    "two-functions-that-call-each-other": _functions([["f1"], ["f0"]]),
    "10-40-operators-in-40-functions": _functions(
        [*([f"f{n + 1}"] * 10 for n in range(40)), ["Relu"]]
    ),
    "two-graphs": onnx_models.linear() + _field(7, b""),
    "bytes-behind-the-model": onnx_models.linear() + b"\x00",
    "an-unknown-field": onnx_models.linear() + _field(99, b"smuggled"),
    "a-name-of-1-MiB": HEAD + _field(7, _field(1, _field(4, b"R" * (1 << 20)))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_built_to_exhaust_or_confuse_is_refused_soon(name: str) -> None:
    started = time.process_time()
    with pytest.raises(BadInput):
        inspect(BOMBS[name])
    assert time.process_time() - started < 20


def test_a_claim_of_gigabytes_costs_no_memory() -> None:
    content = HEAD + _field(7, _field(5, _field(9, b"", claim=2**31 - 1)))
    tracemalloc.start()
    try:
        with pytest.raises(BadInput):
            inspect(content)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_two_readers_must_see_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were our reader misled about the interface, the runtime's own view would give it away."""
    from dataclasses import replace

    from cloister.serving import session

    seen = inspect(onnx_models.linear())
    other = replace(seen, inputs=(replace(seen.inputs[0], dtype="int64"),))
    monkeypatch.setattr(session, "inspect", lambda _: other)
    with pytest.raises(BadInput, match="the runtime reads other"):
        _load(onnx_models.linear())

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from cloister.core.errors import BadInput
from cloister.serving import LoadedModel, Served
from cloister.serving.tensors import Array, Tensor
from cloister.testing import onnx_models
from cloister.testing.inference import verified

SERVED = Served("m", "1")


def _run(model: LoadedModel, array: Array) -> Array:
    tensor = Tensor("X", model.inputs[0].datatype, array)
    return model.run([tensor], model.outputs)[0].array


def test_a_model_answers_as_the_runtime_alone_does() -> None:
    import onnxruntime

    content = onnx_models.linear((0.1, -0.2, 0.3))
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    alone = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    model = LoadedModel.load(verified(content), SERVED)
    assert _run(model, x).tobytes() == alone.run(None, {"X": x})[0].tobytes()


@pytest.mark.parametrize(
    ("element_type", "datatype"),
    [(1, "FP32"), (2, "UINT8"), (3, "INT8"), (4, "UINT16"), (5, "INT16"), (6, "INT32"),
     (7, "INT64"), (8, "BYTES"), (9, "BOOL"), (10, "FP16"), (11, "FP64"), (12, "UINT32"),
     (13, "UINT64")],
)  # fmt: skip
def test_every_type_of_the_protocol_goes_through(element_type: int, datatype: str) -> None:
    model = LoadedModel.load(verified(onnx_models.identity(element_type)), SERVED)
    port = model.inputs[0]
    assert port.datatype.name == datatype
    values = ["a", "ü"] if datatype == "BYTES" else [1, 0]
    array = np.array(values, dtype=port.datatype.numpy)
    assert _run(model, array).tolist() == array.tolist()


@pytest.mark.parametrize("element_type", [14, 16, 17])
def test_a_type_no_client_can_send_is_refused(element_type: int) -> None:
    with pytest.raises(BadInput, match="no client could send"):
        LoadedModel.load(verified(onnx_models.identity(element_type)), SERVED)


def test_a_model_the_runtime_cannot_load_is_refused() -> None:
    content = onnx_models.saved(
        [helper.make_node("NoSuchOperator", ["X"], ["Y"])],
        [("X", onnx_models.FLOAT, (1,))],
        [("Y", onnx_models.FLOAT, (1,))],
    )
    with pytest.raises(BadInput, match="cannot load this model"):
        LoadedModel.load(verified(content), SERVED)


def test_a_shape_may_be_a_scalar_or_unknown() -> None:
    scalar = LoadedModel.load(verified(onnx_models.identity(1, ())), SERVED)
    free = LoadedModel.load(verified(onnx_models.identity(1, None)), SERVED)
    assert (scalar.inputs[0].shape, free.inputs[0].shape) == ([], [-1])
    assert scalar.inputs[0].check("FP32", [], 10) == ()
    assert free.inputs[0].check("FP32", [2, 2], 10) == (2, 2)
    with pytest.raises(BadInput, match="more than 10 elements"):
        free.inputs[0].check("FP32", [11], 10)


def test_dimensions_of_one_name_must_agree() -> None:
    from cloister.serving.tensors import check_shared_sizes

    content = onnx_models.saved(
        [helper.make_node("Add", ["A", "B"], ["Y"])],
        [("A", 1, ("n", 1)), ("B", 1, ("n", 1))],
        [("Y", 1, ("n", 1))],
    )
    model = LoadedModel.load(verified(content), SERVED)
    datatype = model.inputs[0].datatype
    one, two = (Tensor("A", datatype, np.zeros((n, 1), np.float32)) for n in (1, 2))
    check_shared_sizes(model.inputs, (one, one))
    with pytest.raises(BadInput, match="agree"):
        check_shared_sizes(model.inputs, (one, two))

"""Small ONNX models, good and hostile, built with the ``onnx`` package (extra ``examples``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx import ModelProto, NodeProto, TensorProto, helper

FLOAT, INT64, STRING, BOOL = (
    TensorProto.FLOAT,
    TensorProto.INT64,
    TensorProto.STRING,
    TensorProto.BOOL,
)

Value = tuple[str, int, Sequence[int | str | None] | None]
"""Name, ONNX element type, shape."""


def model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    initializers: Sequence[TensorProto] = (),
    **changes: Any,
) -> ModelProto:
    """A model of standard operators; ``changes`` go to ``onnx.helper.make_model``."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, **{"opset_imports": opsets, "ir_version": 10, **changes})


def saved(
    nodes: Sequence[NodeProto],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    initializers: Sequence[TensorProto] = (),
) -> bytes:
    """A model as the bytes of its file."""
    return bytes(model(nodes, inputs, outputs, initializers).SerializeToString())


def linear(weights: Sequence[float] = (0.5, -2.0, 4.0)) -> bytes:
    """``Y (batch, 1) = X (batch, n) . weights``: exact in float32 for these weights."""
    matrix = helper.make_tensor("W", FLOAT, (len(weights), 1), weights)
    return saved(
        [helper.make_node("MatMul", ["X", "W"], ["Y"])],
        [("X", FLOAT, ("batch", len(weights)))],
        [("Y", FLOAT, ("batch", 1))],
        [matrix],
    )


def lookup(table: Sequence[float] = (1.0, 2.0, 3.0)) -> bytes:
    """``Y = table[I]``: fails inside the runtime for an index out of range."""
    return saved(
        [helper.make_node("Gather", ["T", "I"], ["Y"])],
        [("I", INT64, ("batch",))],
        [("Y", FLOAT, ("batch",))],
        [helper.make_tensor("T", FLOAT, (len(table),), table)],
    )


def identity(element_type: int, shape: Sequence[int | str | None] | None = ("n",)) -> bytes:
    """``Y = X`` for any type and shape."""
    return saved(
        [helper.make_node("Identity", ["X"], ["Y"])],
        [("X", element_type, shape)],
        [("Y", element_type, shape)],
    )


def counting() -> bytes:
    """``Y = N`` by counting up to ``N``: as slow as its caller likes."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["go_on_out"]),
            helper.make_node("Add", ["sum", "one"], ["sum_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", INT64, ()),
            helper.make_tensor_value_info("go_on", BOOL, ()),
            helper.make_tensor_value_info("sum", FLOAT, ()),
        ],
        [
            helper.make_tensor_value_info("go_on_out", BOOL, ()),
            helper.make_tensor_value_info("sum_out", FLOAT, ()),
        ],
    )
    zero, one = (
        helper.make_tensor("zero", FLOAT, (), [0]),
        helper.make_tensor("one", FLOAT, (), [1]),
    )
    return saved(
        [helper.make_node("Loop", ["N", "", "zero"], ["Y"], body=body)],
        [("N", INT64, ())],
        [("Y", FLOAT, ())],
        [zero, one],
    )


def external(location: str) -> bytes:
    """A linear model that wants its weights from the file ``location``."""
    weights = TensorProto(name="W", data_type=FLOAT, dims=[3, 1])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    return saved(
        [helper.make_node("MatMul", ["X", "W"], ["Y"])],
        [("X", FLOAT, ("batch", 3))],
        [("Y", FLOAT, ("batch", 1))],
        [weights],
    )

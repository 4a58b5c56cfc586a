from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper

from cloister.core.errors import BadInput
from cloister.models.onnx import ModelSpec, TensorSpec, inspect
from cloister.testing import onnx_models
from cloister.testing.onnx_models import FLOAT, INT64, model


def test_a_linear_model_says_what_it_takes_and_gives() -> None:
    spec = inspect(onnx_models.linear())
    assert spec.inputs == (TensorSpec("X", "float32", ("batch", 3)),)
    assert spec.outputs == (TensorSpec("Y", "float32", ("batch", 1)),)
    assert (spec.opset, spec.ir_version, spec.operators) == ({"": 21, "ai.onnx.ml": 3}, 10, 1)
    assert (spec.functions, spec.remarks) == (0, ())


def test_a_scikit_learn_model_says_what_it_takes_and_gives() -> None:
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.linear_model import LinearRegression

    x = np.arange(20, dtype=np.float32).reshape(10, 2)
    exported = to_onnx(LinearRegression().fit(x, x[:, 0]), x[:1]).SerializeToString()
    spec = inspect(exported)
    assert spec.inputs == (TensorSpec("X", "float32", (None, 2)),)
    assert spec.producer.startswith("skl2onnx ")


@pytest.mark.parametrize(
    ("element_type", "dtype"),
    [(FLOAT, "float32"), (INT64, "int64"), (onnx_models.STRING, "string")],
)
@pytest.mark.parametrize("shape", [None, (), (2,), (None, 3), ("batch", "time", 4)])
def test_every_kind_of_shape_is_read(
    element_type: int, dtype: str, shape: tuple[int | str | None, ...] | None
) -> None:
    spec = inspect(onnx_models.identity(element_type, shape))
    assert spec.inputs == (TensorSpec("X", dtype, shape),)


def test_an_input_with_a_default_is_not_asked_for() -> None:
    default = helper.make_tensor("B", FLOAT, (1,), [1.0])
    content = model(
        [helper.make_node("Add", ["X", "B"], ["Y"])],
        [("X", FLOAT, (1,)), ("B", FLOAT, (1,))],
        [("Y", FLOAT, (1,))],
        [default],
    ).SerializeToString()
    assert [spec.name for spec in inspect(content).inputs] == ["X"]


def test_subgraphs_are_read_like_the_graph_around_them() -> None:
    foreign = helper.make_graph(
        [helper.make_node("Evil", [], ["b"], domain="com.evil")],
        "branch",
        [],
        [helper.make_tensor_value_info("b", FLOAT, (1,))],
    )
    plain = helper.make_graph(
        [helper.make_node("Constant", [], ["b"], value_floats=[1.0])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", FLOAT, (1,))],
    )

    def choice(then: object) -> bytes:
        node = helper.make_node("If", ["C"], ["Y"], then_branch=then, else_branch=plain)
        return bytes(
            model(
                [node], [("C", onnx_models.BOOL, ())], [("Y", FLOAT, (1,))]
            ).SerializeToString()
        )

    assert inspect(choice(plain)).operators == 3
    with pytest.raises(BadInput, match="outside the ONNX standard"):
        inspect(choice(foreign))


def _with_functions(*bodies: tuple[str, list[str]]) -> bytes:
    """Functions in domain ``own``, each calling the named ones one after the other."""
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    functions = [
        helper.make_function(
            "own",
            name,
            ["x"],
            ["y"],
            [
                helper.make_node(
                    called,
                    ["x"],
                    ["y" if place == len(body) - 1 else f"t{place}"],
                    domain="own" if called[0] == "F" else "",
                )
                for place, called in enumerate(body)
            ],
            opsets,
        )
        for name, body in bodies
    ]
    return bytes(
        model(
            [helper.make_node("F0", ["X"], ["Y"], domain="own")],
            [("X", FLOAT, (1,))],
            [("Y", FLOAT, (1,))],
            functions=functions,
            opset_imports=opsets,
        ).SerializeToString()
    )


def test_functions_of_standard_operators_are_counted_expanded() -> None:
    spec = inspect(_with_functions(("F0", ["F1", "F1", "Relu"]), ("F1", ["Relu", "Exp"])))
    assert (spec.functions, spec.operators) == (2, 5)


def test_words_with_file_paths_are_remarked_and_not_repeated() -> None:
    named = ModelProto.FromString(onnx_models.linear())
    named.doc_string = "trained in /home/a.user/patients/ward3"
    helper.set_model_props(
        named, {"source": r"C:\studies\ward", "licence": "see https://x.org/a/b"}
    )
    spec = inspect(named.SerializeToString())
    assert spec.remarks == (
        "metadata entries: 2",
        "descriptive texts: 3",
        "texts that hold a file path: 2; clear them before sharing",
    )


def test_unpacked_numbers_cost_one_step_a_run() -> None:
    many = helper.make_node("Constant", [], ["Y"], value_floats=[0.5] * 5_000_000)
    content = model([many], [], [("Y", FLOAT, (5_000_000,))]).SerializeToString()
    assert inspect(content).operators == 1


def test_a_classifier_that_gives_maps_is_refused_with_the_way_out() -> None:
    plain = ModelProto.FromString(onnx_models.linear())
    kind = plain.graph.output[0].type
    kind.Clear()
    kind.sequence_type.elem_type.map_type.key_type = TensorProto.INT64
    with pytest.raises(BadInput, match="other than named tensors") as refusal:
        inspect(plain.SerializeToString())
    assert "zipmap" in (refusal.value.hint or "")


@given(st.binary(max_size=300))
def test_noise_is_refused_or_read_and_nothing_else(noise: bytes) -> None:
    with contextlib.suppress(BadInput):
        assert isinstance(inspect(noise), ModelSpec)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_model_is_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    content = bytearray(onnx_models.linear())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadInput):
        assert isinstance(inspect(bytes(content)), ModelSpec)

"""Values between tasks, there and back, and their bytes as they are kept for years."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import BadInput
from cloister.pipelines import values
from cloister.pipelines.values import File

scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | st.text() | st.binary()
)  # fmt: skip
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(-(2**63), 2**63), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(plain)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    packed = values.encode(value)
    assert values.decode(packed) == value
    assert values.truth(packed) is bool(value)


@given(st.lists(plain, max_size=6))
def test_a_list_is_taken_apart_and_put_together_without_decoding(value: list[Any]) -> None:
    packed = values.encode(value)
    parts = values.items(packed)
    assert parts is not None
    assert [values.decode(part) for part in parts] == value
    assert values.collected(parts) == packed


def test_arrays_and_their_scalars() -> None:
    array = np.arange(6, dtype="float32").reshape(2, 3)
    back = values.decode(values.encode({"x": array}))["x"]
    assert back.dtype == array.dtype
    assert (back == array).all()
    assert values.decode(values.encode(np.float32(0.5))) == 0.5
    assert values.truth(values.encode(np.bool_(False))) is False


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, 2**70, np.array([object()]), lambda: 1, Exception("x")]
)
def test_what_cannot_be_kept_is_an_error(value: Any) -> None:
    with pytest.raises(BadInput):
        values.encode(value)


def test_files_are_named_and_moved() -> None:
    packed = values.encode([File("a.txt"), {"b": (Path("c/d.png"),)}])
    assert values.file_names(packed) == ["a.txt", "c/d.png"]
    assert values.file_names(values.placed(packed, "7")) == ["7/a.txt", "7/c/d.png"]


@pytest.mark.parametrize("packed", [b"", b"\xc1", b"\x91", b"\xc7\x01\x63x", b"\xd4\x01\xc1"])
def test_bytes_that_are_no_value_are_an_error(packed: bytes) -> None:
    with pytest.raises(BadInput):
        values.decode(packed)


def test_the_bytes_of_a_value_stay_what_they_are() -> None:
    golden = Path(__file__).parents[1] / "golden" / "pipeline-value.hex"
    value = {"files": [File("model.onnx")], "pair": (1, "a"), "score": 0.5, "none": None}
    assert values.encode(value).hex() == golden.read_text().strip()

"""Outputs compared by their format: what is close enough, what is not, what is hostile."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import NotVerified
from cloister.runs.compare import decode, encode
from cloister.runs.compare.compare import FORMATS, compare

VALUES = np.array([1.0, -2.5, 1e-3, 4e4, np.nan, np.inf], dtype=np.float32)


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def npz(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, weights=values, steps=np.array([3, 4]))
    return buffer.getvalue()


def safetensors(values: np.ndarray) -> bytes:
    name = {"<f2": "F16", "<f4": "F32", "<f8": "F64"}[values.dtype.str]
    body = values.tobytes()
    facts = {"dtype": name, "shape": list(values.shape), "data_offsets": [0, len(body)]}
    header = json.dumps({"w": facts}).encode()
    return struct.pack("<Q", len(header)) + header + body


def table(values: np.ndarray) -> bytes:
    return ("id,value\n" + "".join(f"a,{one!r}\n" for one in values.tolist())).encode()


def document(values: np.ndarray) -> bytes:
    return json.dumps({"name": "run", "epochs": 3, "loss": values.tolist()}).encode()


def onnx(values: np.ndarray) -> bytes:
    import onnx

    tensor = onnx.numpy_helper.from_array(values, "w")
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    sides = [
        onnx.helper.make_tensor_value_info(name, tensor.data_type, [len(values)])
        for name in "xy"
    ]
    graph = onnx.helper.make_graph([node], "g", sides[:1], sides[1:], [tensor])
    made: bytes = onnx.helper.make_model(graph).SerializeToString()
    return made


WRITERS = {
    "npy": npy,
    "npz": npz,
    "safetensors": safetensors,
    "csv": table,
    "json": document,
    "onnx": onnx,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_numbers_within_the_tolerance_agree_and_beyond_it_do_not(suffix: str) -> None:
    write = WRITERS[suffix]
    near, far = VALUES.copy(), VALUES.copy()
    near[3] *= 1 + 1e-6
    far[3] *= 1 + 1e-3
    found = compare(suffix, write(VALUES), write(near), 1e-5)
    assert found.within, found.where
    assert 0 < found.largest < 1
    assert not compare(suffix, write(VALUES), write(near), 1e-9).within
    assert not compare(suffix, write(VALUES), write(far), 1e-5).within
    other = VALUES.copy()
    other[4] = 0
    assert not compare(suffix, write(VALUES), write(other), 1e-5).within


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4", "i8"])
def test_every_type_of_element_is_read_as_what_it_is(kind: str) -> None:
    values = np.array([1, 2, 3], dtype=kind)
    near = values + values.dtype.type(1) / 1024 if kind != "i8" else values + 1
    near = near.astype(kind)
    exact = kind in {"i8", ">f4"}  # whole numbers, and elements stored the other way around
    assert compare("npy", npy(values), npy(near), 0.01).within != exact
    assert not compare("npy", npy(values), npy(values.reshape(3, 1)), 0.01).within


def test_bfloat16_is_read() -> None:
    def tensor(bits: int) -> bytes:
        facts = {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}
        header = json.dumps({"w": facts}).encode()
        return struct.pack("<Q", len(header)) + header + struct.pack("<H", bits)

    found = compare("safetensors", tensor(0x3F80), tensor(0x3F81), 0.01)  # 1.0, 1.0078125
    assert found.within
    assert found.largest == 0.0078125


def test_words_counts_and_names_must_be_equal() -> None:
    a = b'{"epochs": 3, "loss": 1.0}'
    assert compare("json", a, b'{"epochs": 3, "loss": 1.0000001}', 1e-6).within
    assert compare("json", a, b'{"epochs": 4, "loss": 1.0}', 1.0).where == "/epochs"
    assert not compare("json", a, b'{"loss": 1.0, "epochs": 3}', 1.0).within
    assert not compare("json", b"true", b"1", 1.0).within
    assert compare("csv", b"a,b\nx,1\n", b"a,b\ny,1\n", 1.0).where == "line 2, column 1"
    assert compare("jsonl", b"1.0\n2.0\n", b"1.0\n", 1.0).where.startswith("line 2")


def test_a_format_without_a_reader_must_be_equal_bytes() -> None:
    assert compare("bin", b"1", b"1", 1.0).within
    assert compare("bin", b"1.0", b"1.0 ", 1.0).where == "no reader for this format"


def test_another_operator_is_another_model() -> None:
    a = onnx(VALUES)
    assert compare("onnx", a, a.replace(b"Add", b"Sub"), 1.0).where.startswith(
        "model/graph/node"
    )


@given(st.sampled_from(FORMATS), st.binary(max_size=400), st.binary(max_size=400))
def test_hostile_bytes_are_an_answer_and_no_crash(suffix: str, a: bytes, b: bytes) -> None:
    assert compare(suffix, a, b, 1e-6).within in {True, False}


@given(st.sampled_from(sorted(WRITERS)), st.integers(0, 10_000), st.integers(0, 255))
def test_one_changed_byte_is_an_answer_and_no_crash(suffix: str, at: int, to: int) -> None:
    good = WRITERS[suffix](VALUES)
    bad = bytearray(good)
    bad[at % len(bad)] = to
    assert compare(suffix, good, bytes(bad), 1e-6).within in {True, False}


def test_a_zip_of_pickles_is_never_unpickled() -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("it ran",))

    def archive(extra: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as made:
            made.writestr("m/data.pkl", pickle.dumps(Evil()))
            made.writestr("m/data/0", extra)
        return buffer.getvalue()

    assert not compare("pt", archive(b"1234"), archive(b"1235"), 1e-6).within


def test_what_the_fence_says_is_checked() -> None:
    found = [compare("json", b"1.0", b"2.0", 1.0), compare("bin", b"", b"x", 1.0)]
    assert decode(encode(found), 2) == found
    for said in (b"", b"[]", b"{}", b'[{"within": 1}, 2]', b"[" * 10_000):
        with pytest.raises(NotVerified):
            decode(said, 2)

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import zipfile
import zlib

import pytest

from cloister.core.errors import BadInput
from cloister.models.formats import ModelFormat, recognise
from cloister.models.onnx import inspect
from cloister.testing import onnx_models


def _zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


def _safetensors(spaces: int = 0) -> bytes:
    tensors = {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    header = json.dumps(tensors).encode() + b" " * spaces
    return struct.pack("<Q", len(header)) + header + b"\0\0\0\0"


def test_onnx_is_known_by_its_content() -> None:
    assert recognise(onnx_models.linear()) is ModelFormat.ONNX


@pytest.mark.parametrize("spaces", [0, 7, 640 - 58, 1024 - 58])
def test_safetensors_are_known_but_not_servable(spaces: int) -> None:
    content = _safetensors(spaces)
    assert recognise(content) is ModelFormat.SAFETENSORS
    with pytest.raises(BadInput, match="without the computation"):
        inspect(content)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_of_any_protocol_is_refused(protocol: int) -> None:
    for value in ({"weights": [1.0]}, [1, 2], (1, "a"), print):
        with pytest.raises(BadInput, match="a pickle") as refusal:
            recognise(pickle.dumps(value, protocol))
        assert "onnx" in (refusal.value.hint or "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_zip("archive/data.pkl", "archive/version"), "a PyTorch archive"),
        (_zip("config.json", "model.weights.h5"), "a Keras archive"),
        (_zip("a.npy"), "a NumPy archive"),
        (_zip("anything"), "a zip archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        (gzip.compress(b"x", mtime=0), "a gzip file"),
        (bz2.compress(b"x"), "a bzip2 file"),
        (lzma.compress(b"x"), "an xz file"),
        (zlib.compress(b"x", 3), "a zlib file"),
        (b"\x93NUMPY\x01\x00", "a NumPy array"),
        (b"GGUF\x03\x00\x00\x00", "a GGUF file"),
        (b"\x1c\x00\x00\x00TFL3", "a TensorFlow Lite file"),
        (b"\x1c\x00\x00\x00ORTM", "an ONNX Runtime flatbuffer"),
        (b'{"learner": 1}', "a JSON file"),
        (b"\x7fELF\x02", "a native program"),
        (b"hello", "not a format that may be loaded"),
        (b"\x08", "not a format that may be loaded"),
    ],
)
def test_every_other_format_is_refused_by_name(content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        recognise(content)


def test_an_empty_file_is_called_empty() -> None:
    with pytest.raises(BadInput, match="empty"):
        recognise(b"")

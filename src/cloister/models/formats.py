"""Which files may be models: an allow-list by content, never by name.

Everything else is refused with the way out. A list of dangerous formats would always miss one;
it serves here only to say what a file probably is.
"""

from __future__ import annotations

from enum import StrEnum

from cloister.core.errors import BadInput
from cloister.models._schema import SCHEMAS
from cloister.models._wire import Budget, read_fields

_MOST_TOP_LEVEL = 100_000
_LARGEST_HEADER = 100_000_000  # safetensors: "the header is at most 100 MB"

_TO_ONNX = "export it: skl2onnx.to_onnx(model, X[:1]) or torch.onnx.export(model, args, path)"

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras): it may carry Python code"),
    (0, b"\x93NUMPY", "a NumPy array: it may carry a pickle, and holds no computation"),
    (0, b"\x1f\x8b", "a gzip file, probably a compressed pickle"),
    (0, b"\x78\x01", "a zlib file, probably a joblib pickle"),
    (0, b"\x78\x5e", "a zlib file, probably a joblib pickle"),
    (0, b"\x78\x9c", "a zlib file, probably a joblib pickle"),
    (0, b"\x78\xda", "a zlib file, probably a joblib pickle"),
    (0, b"BZh", "a bzip2 file, probably a joblib pickle"),
    (0, b"\xfd7zXZ\x00", "an xz file, probably a joblib pickle"),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file, probably a joblib pickle"),
    (0, b"(\xb5/\xfd", "a Zstandard file"),
    (0, b"GGUF", "a GGUF file"),
    (4, b"TFL3", "a TensorFlow Lite file"),
    (4, b"ORTM", "an ONNX Runtime flatbuffer: keep the ONNX file it was made from"),
    (0, b"CBM1", "a CatBoost file"),
    (0, b"tree\n", "a LightGBM text file"),
    (0, b"{", "a JSON file"),
    (0, b"<", "an XML file"),
    (0, b"#!", "a script"),
    (0, b"\x7fELF", "a native program"),
)


class ModelFormat(StrEnum):
    """The formats that cannot run code when they are read."""

    ONNX = "onnx"
    SAFETENSORS = "safetensors"
    """Weights only: may be stored and compared, cannot be served."""


def recognise(model: bytes) -> ModelFormat:
    """The format of ``model``, from its bytes; raises BadInput for all that is not allowed."""
    if not model:
        raise BadInput("the model file is empty")
    if _is_safetensors(model):
        return ModelFormat.SAFETENSORS
    kind = _known_as(model)
    if kind is None and _is_onnx(model):
        return ModelFormat.ONNX
    raise BadInput(
        f"a model must be ONNX; this is {kind or 'not a format that may be loaded'}",
        hint=_TO_ONNX,
    )


def _is_safetensors(model: bytes) -> bool:
    header = int.from_bytes(model[:8], "little")
    end = 8 + header
    closing = model.rfind(b"}", 8, end)
    return (
        2 <= header <= _LARGEST_HEADER
        and end <= len(model)
        and model[8:9] == b"{"
        and closing > 8
        and not model[closing + 1 : end].strip(b" ")
    )


def _known_as(model: bytes) -> str | None:
    """What a file that is refused anyway should be called."""
    if model[:2] == b"PK":
        return _zip_content(model)
    if model[:1] == b"\x80" and model[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        return "a pickle: reading one runs whatever code it names"
    if model[:1] in {b"(", b"c", b"]", b"}", b"I"} and model.rstrip(b"\n")[-1:] == b".":
        return "a pickle (text protocol): reading one runs whatever code it names"
    for offset, magic, name in _MAGIC:
        if model[offset : offset + len(magic)] == magic:
            return name
    return None


def _zip_content(model: bytes) -> str:
    head = model[:4096]
    if b"data.pkl" in head:
        return "a PyTorch archive: it holds a pickle, and reading one runs code"
    if b".npy" in head:
        return "a NumPy archive: it may carry a pickle, and holds no computation"
    if b"model.weights.h5" in head or b"config.json" in head:
        return "a Keras archive: it may carry Python code"
    return "a zip archive"


def _is_onnx(model: bytes) -> bool:
    """Whether the outermost message is a Model with a version, a graph and opsets.

    ONNX has no magic bytes; a file in which every top-level field is one of ModelProto's and
    these three are there is taken for one, and then read in full.
    """
    try:
        fields = read_fields(model, 0, len(model), SCHEMAS["Model"], Budget(_MOST_TOP_LEVEL))
        return {1, 7, 8} <= {found.field.number for found in fields}
    except BadInput:
        return False

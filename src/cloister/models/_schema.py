"""The messages of ONNX, as far as a reader must know them to miss none (onnx.proto, IR 14)."""

from __future__ import annotations

from collections.abc import Mapping

from cloister.models._wire import FIXED32, FIXED64, LENGTH, VARINT, Field, Schema, number, words


def _one(at: int, message: str = "") -> Field:
    return Field(at, LENGTH, message)


def _many(at: int, message: str = "") -> Field:
    return Field(at, LENGTH, message, repeated=True)


def _numbers(at: int, wire: int = VARINT) -> Field:
    return number(at, wire, repeated=True)


def _schema(*fields: Field) -> Schema:
    return {field.number: field for field in fields}


# Words a person or an exporter wrote are "text": looked at for paths, never interpreted.
SCHEMAS: Mapping[str, Schema] = {
    "Model": _schema(
        number(1, VARINT), _many(8, "OperatorSet"), _one(2), _one(3), _one(4),
        number(5, VARINT), _one(6, "text"), _one(7, "Graph"), _many(14, "Entry"),
        _many(20, "Training"), _many(25, "Function"), _many(26),
    ),
    "OperatorSet": _schema(_one(1), number(2, VARINT)),
    "Entry": _schema(_one(1), _one(2, "text")),
    "Training": _schema(
        _one(1, "Graph"), _one(2, "Graph"), _many(3, "Entry"), _many(4, "Entry"),
    ),
    "Graph": _schema(
        _many(1, "Node"), _one(2), _many(5, "Tensor"), _many(15, "Sparse"), _one(10, "text"),
        _many(11, "Value"), _many(12, "Value"), _many(13, "Value"), _many(14, "Annotation"),
        _many(16, "Entry"),
    ),
    "Annotation": _schema(_one(1), _many(2, "Entry")),
    "Function": _schema(
        _one(1), words(4), words(5), words(6), _many(11, "Attribute"), _many(7, "Node"),
        _one(8, "text"), _many(9, "OperatorSet"), _one(10), _one(13), _many(12, "Value"),
        _many(14, "Entry"),
    ),
    "Node": _schema(
        words(1), words(2), _one(3), _one(4), _one(7), _one(8), _many(5, "Attribute"),
        _one(6, "text"), _many(9, "Entry"), _many(10),
    ),
    "Attribute": _schema(
        _one(1), _one(21), _one(13, "text"), number(20, VARINT), number(2, FIXED32),
        number(3, VARINT), _one(4), _one(5, "Tensor"), _one(6, "Graph"), _one(22, "Sparse"),
        _one(14, "Type"), _numbers(7, FIXED32), _numbers(8), words(9), _many(10, "Tensor"),
        _many(11, "Graph"), _many(23, "Sparse"), _many(15, "Type"),
    ),
    "Tensor": _schema(
        _numbers(1), number(2, VARINT), _one(3), _numbers(4, FIXED32), _numbers(5), words(6),
        _numbers(7), _one(8), _one(12, "text"), _one(9), _many(13, "Entry"), number(14, VARINT),
        _numbers(10, FIXED64), _numbers(11), _many(16, "Entry"),
    ),
    "Sparse": _schema(_one(1, "Tensor"), _one(2, "Tensor"), _numbers(3)),
    "Value": _schema(_one(1), _one(2, "Type"), _one(3, "text"), _many(4, "Entry")),
    "Type": _schema(
        _one(1, "TensorType"), _one(4, "Elements"), _one(5, "Map"), _one(9, "Elements"),
        _one(8, "TensorType"), _one(7), _one(6),
    ),
    "TensorType": _schema(number(1, VARINT), _one(2, "Shape")),
    "Elements": _schema(_one(1, "Type")),
    "Map": _schema(number(1, VARINT), _one(2, "Type")),
    "Shape": _schema(_many(1, "Dimension")),
    "Dimension": _schema(number(1, VARINT), _one(2), _one(3)),
}  # fmt: skip

ELEMENT_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    8: "string", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
    14: "complex64", 15: "complex128", 16: "bfloat16", 17: "float8e4m3fn", 18: "float8e4m3fnuz",
    19: "float8e5m2", 20: "float8e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4e2m1",
    24: "float8e8m0", 25: "uint2", 26: "int2", 27: "float6e2m3", 28: "float6e3m2",
}  # fmt: skip

"""Tensors on their way in and out: JSON or binary on the wire, NumPy arrays inside.

Open Inference Protocol 2, "Tensor Data", and its binary tensor data extension: little-endian,
row-major, no padding; BYTES elements carry a 4-byte length each. No message quotes what a
caller sent: it may be about a patient.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from cloister.core.errors import BadInput
from cloister.models.onnx import TensorSpec
from cloister.serving.datatypes import DATATYPES, Datatype

Array = np.ndarray[Any, np.dtype[Any]]
_LARGEST_DIMENSION = 2**31
_MOST_DIMENSIONS = 32


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array of one of the protocol's types."""

    name: str
    datatype: Datatype
    array: Array

    @property
    def shape(self) -> list[int]:
        """Its dimensions, as the protocol lists them."""
        return list(self.array.shape)


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a served model, and the checks that guard it."""

    spec: TensorSpec
    datatype: Datatype

    @classmethod
    def of(cls, spec: TensorSpec) -> Port:
        """The port for ``spec``; raises BadInput if its type cannot be served."""
        if spec.dtype not in DATATYPES:
            raise BadInput(
                f"the model takes or gives {spec.dtype}, which no client could send or read",
                hint="cast inputs and outputs to float32 when exporting",
            )
        return cls(spec, DATATYPES[spec.dtype])

    @property
    def shape(self) -> list[int]:
        """Its dimensions, as the protocol lists them: -1 where the caller chooses."""
        known = (None,) if self.spec.shape is None else self.spec.shape
        return [size if isinstance(size, int) else -1 for size in known]

    def check(self, datatype: object, shape: object, limit: int) -> tuple[int, ...]:
        """The shape a caller announced, once type, rank, sizes and count are acceptable."""
        if datatype != self.datatype.name:
            raise BadInput(
                f"input {self.spec.name!r}: its datatype must be {self.datatype.name}"
            )
        if not isinstance(shape, list) or not all(map(_is_size, shape)):
            raise BadInput(f"input {self.spec.name!r}: its shape must be a list of sizes")
        expected = self.spec.shape
        fits = len(shape) <= _MOST_DIMENSIONS if expected is None else _fits(shape, expected)
        if not fits:
            raise BadInput(f"input {self.spec.name!r}: its shape must be {self.shape}")
        if math.prod(shape) > limit:
            raise BadInput(f"input {self.spec.name!r}: more than {limit} elements")
        return tuple(shape)


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_DIMENSION


def _fits(shape: Sequence[int], expected: Sequence[int | str | None]) -> bool:
    return len(shape) == len(expected) and all(
        not isinstance(want, int) or want == got
        for want, got in zip(expected, shape, strict=True)
    )


def check_shared_sizes(ports: Sequence[Port], tensors: Sequence[Tensor]) -> None:
    """Raises BadInput if two dimensions that the model gives one name differ in size."""
    sizes: dict[str, int] = {}
    for port, tensor in zip(ports, tensors, strict=True):
        for name, size in zip(port.spec.shape or (), tensor.shape, strict=False):
            if isinstance(name, str) and sizes.setdefault(name, size) != size:
                raise BadInput("inputs that share a dimension must agree on its size")


def from_json(port: Port, shape: tuple[int, ...], data: object) -> Tensor:
    """A tensor from its JSON elements, nested like its shape or flat in row-major order."""
    name = port.spec.name
    flat = _flatten(data, shape)
    if flat is None or len(flat) != math.prod(shape):
        raise BadInput(f"input {name!r}: its data must hold as many elements as its shape says")
    if not set(map(type, flat)) <= port.datatype.json:
        raise BadInput(f"input {name!r}: an element of its data is not {port.datatype.name}")
    try:
        with np.errstate(over="ignore"):  # a float that overflows is found as infinite
            array = np.array(flat, dtype=port.datatype.numpy).reshape(shape)
    except (OverflowError, ValueError) as error:
        raise BadInput(
            f"input {name!r}: an element is out of {port.datatype.name}'s range"
        ) from error
    return Tensor(name, port.datatype, array)


def _flatten(data: object, shape: tuple[int, ...]) -> list[Any] | None:
    """The elements in row-major order; None if ``data`` is nested in another way."""
    if not isinstance(data, list):
        return None
    if not data or type(data[0]) is not list:
        return data
    level = data if shape and len(data) == shape[0] else []
    for size in shape[1:]:
        if not all(type(row) is list and len(row) == size for row in level):
            return None
        level = list(chain.from_iterable(level))
    return level


def from_binary(port: Port, shape: tuple[int, ...], raw: memoryview) -> Tensor:
    """A tensor from the bytes that follow the JSON."""
    name, datatype = port.spec.name, port.datatype
    count = math.prod(shape)
    if datatype.name == "BYTES":
        return Tensor(name, datatype, _strings(name, raw, count).reshape(shape))
    if len(raw) != count * datatype.numpy.itemsize:
        raise BadInput(f"input {name!r}: its binary data does not have the size of its shape")
    array = np.frombuffer(raw, dtype=datatype.numpy).reshape(shape)
    if datatype.name == "BOOL" and bool((np.frombuffer(raw, np.uint8) > 1).any()):
        raise BadInput(f"input {name!r}: an element of its data is not BOOL")
    return Tensor(name, datatype, array)


def _strings(name: str, raw: memoryview, count: int) -> Array:
    if count * 4 > len(raw):  # before memory is set aside for them
        raise BadInput(f"input {name!r}: its binary data does not have the size of its shape")
    array = np.empty(count, dtype=object)
    at = 0
    for index in range(count):
        size = struct.unpack_from("<I", raw, at)[0] if at + 4 <= len(raw) else len(raw)
        start, at = at + 4, at + 4 + size
        if at > len(raw):
            raise BadInput(f"input {name!r}: its binary data ends inside an element")
        try:
            array[index] = str(raw[start:at], "utf-8")
        except UnicodeDecodeError as error:
            raise BadInput(f"input {name!r}: an element of its data is not UTF-8") from error
    if at != len(raw):
        raise BadInput(f"input {name!r}: its binary data does not have the size of its shape")
    return array


def to_binary(tensor: Tensor) -> bytes:
    """The bytes of the binary tensor data extension; they also are what is committed to."""
    if tensor.datatype.name != "BYTES":
        return np.ascontiguousarray(tensor.array, dtype=tensor.datatype.numpy).tobytes()
    encoded = [str(element).encode() for element in tensor.array.ravel()]
    return b"".join(chain.from_iterable((struct.pack("<I", len(e)), e) for e in encoded))


def to_json(tensor: Tensor) -> list[Any]:
    """The elements flat in row-major order."""
    elements: list[Any] = tensor.array.ravel().tolist()
    return elements


def is_finite(tensor: Tensor) -> bool:
    """Whether it holds neither NaN nor an infinity."""
    return not tensor.datatype.is_float or bool(np.isfinite(tensor.array).all())


def zeros(port: Port) -> Tensor:
    """A question that any model can be asked: zeros or empty words, in the smallest shape."""
    shape = [max(size, 1) for size in port.shape]
    empty: object = "" if port.datatype.name == "BYTES" else 0
    return Tensor(
        port.spec.name, port.datatype, np.full(shape, empty, dtype=port.datatype.numpy)
    )

"""The element types of the Open Inference Protocol, beside their names in NumPy and ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Datatype:
    """One element type."""

    name: str
    """As the protocol spells it."""
    onnx: str
    numpy: np.dtype[np.generic]
    json: frozenset[type]
    """The Python types a JSON reader may give for it."""

    @property
    def is_float(self) -> bool:
        """Whether NaN and infinities exist in it."""
        return self.numpy.kind == "f"


def _table() -> Mapping[str, Datatype]:
    whole, real = frozenset({int}), frozenset({int, float})
    table = [Datatype("BOOL", "bool", np.dtype("?"), frozenset({bool}))]
    for bits in (8, 16, 32, 64):
        size = bits // 8
        table.append(Datatype(f"INT{bits}", f"int{bits}", np.dtype(f"<i{size}"), whole))
        table.append(Datatype(f"UINT{bits}", f"uint{bits}", np.dtype(f"<u{size}"), whole))
        if bits > 8:
            table.append(Datatype(f"FP{bits}", f"float{bits}", np.dtype(f"<f{size}"), real))
    table.append(Datatype("BYTES", "string", np.dtype(object), frozenset({str})))
    return {datatype.onnx: datatype for datatype in table}


DATATYPES = _table()
"""By ONNX name. bfloat16, complex and sub-byte types have no NumPy array to travel in."""

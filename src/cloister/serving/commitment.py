"""The bytes that stand for a question or an answer, whichever way it travelled.

docs/formats/prediction-commitment.md draws them; version 1.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from cloister.serving.tensors import Tensor, to_binary

_MAGIC = b"cloister/tensors/v1\x00"


def canonical_tensors(tensors: Sequence[Tensor]) -> bytes:
    """All tensors, in order of name: one byte string for one set of values."""
    parts = [_MAGIC, struct.pack("<I", len(tensors))]
    for tensor in sorted(tensors, key=lambda one: one.name):
        name, datatype = tensor.name.encode(), tensor.datatype.name.encode()
        content = to_binary(tensor)
        parts += [
            struct.pack("<I", len(name)), name,
            struct.pack("<B", len(datatype)), datatype,
            struct.pack("<B", len(tensor.shape)), *[struct.pack("<Q", n) for n in tensor.shape],
            struct.pack("<Q", len(content)), content,
        ]  # fmt: skip
    return b"".join(parts)

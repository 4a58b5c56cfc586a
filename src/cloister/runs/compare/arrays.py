"""Tensors: NumPy's files, safetensors, and the storages of a PyTorch checkpoint."""

from __future__ import annotations

import ast
import io
import json
import struct
import sys
import zipfile
from array import array
from collections.abc import Mapping
from typing import Any

from cloister.runs.compare.tally import Mismatch, Tally

_FLOATS = {"f2": "e", "f4": "f", "f8": "d"}
_AT_ONCE = 1 << 20
_MAGIC = b"\x93NUMPY"


def compare_raw(tally: Tally, where: str, kind: str, a: bytes, b: bytes) -> None:
    """Little-endian elements of ``kind``: f2, f4, f8, bf16; any other must be equal bytes."""
    if len(a) != len(b):
        raise Mismatch(f"{where}: {len(a)} bytes against {len(b)}")
    if kind not in (*_FLOATS, "bf16"):
        tally.same(where, a, b)
        return
    for start in range(0, len(a), _AT_ONCE):
        one, other = a[start : start + _AT_ONCE], b[start : start + _AT_ONCE]
        if one != other:
            tally.all(f"{where} from byte {start}", _decoded(kind, one), _decoded(kind, other))
        else:
            tally.numbers += len(one) // (2 if kind in {"f2", "bf16"} else int(kind[1:]))


def compare_npy(tally: Tally, a: bytes, b: bytes, where: str = "array") -> None:
    """One array: same type and shape, elements within the tolerance (NEP 1)."""
    (kind, shape, left), (kind_b, shape_b, right) = _npy(a), _npy(b)
    tally.same(f"{where} (type and shape)", (kind, shape), (kind_b, shape_b))
    compare_raw(
        tally, where, kind.lstrip("<|=") if not kind.startswith(">") else "", left, right
    )


def compare_npz(tally: Tally, a: bytes, b: bytes) -> None:
    """Several arrays in an archive, by their names."""
    left, right = _members(a), _members(b)
    tally.same("names of arrays", sorted(left), sorted(right))
    for name in sorted(left):
        compare_npy(tally, left[name], right[name], name)


def compare_safetensors(tally: Tally, a: bytes, b: bytes) -> None:
    """Tensors by name, whatever their order in the file."""
    (left, body_a), (right, body_b) = _safetensors(a), _safetensors(b)
    tally.same("names of tensors", sorted(left), sorted(right))
    kinds = {"F16": "f2", "F32": "f4", "F64": "f8", "BF16": "bf16"}
    for name in sorted(left):
        one, other = left[name], right[name]
        if name == "__metadata__":
            tally.same(name, one, other)
            continue
        facts = [(entry["dtype"], entry["shape"]) for entry in (one, other)]
        tally.same(f"{name} (type and shape)", *facts)
        (start, end), (start_b, end_b) = one["data_offsets"], other["data_offsets"]
        kind = kinds.get(one["dtype"], "")
        compare_raw(tally, name, kind, body_a[start:end], body_b[start_b:end_b])


def _decoded(kind: str, data: bytes) -> array[float]:
    if kind == "bf16":
        halves = array("H", data)
        return array("f", array("I", [half << 16 for half in halves]).tobytes())
    if kind == "f2":
        return array("f", struct.unpack(f"<{len(data) // 2}e", data))
    values: array[float] = array(_FLOATS[kind], data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _npy(data: bytes) -> tuple[str, tuple[str, str], bytes]:
    """Element type, shape and order, and the elements' bytes."""
    if not data.startswith(_MAGIC):
        raise Mismatch("not a NumPy array")
    wide = data[6] >= 2
    (length,) = struct.unpack_from("<I" if wide else "<H", data, 8)
    start = (12 if wide else 10) + length
    header = ast.literal_eval(data[12 if wide else 10 : start].decode("latin-1"))
    shape = (str(header["shape"]), str(header["fortran_order"]))
    return str(header["descr"]), shape, data[start:]


def _members(data: bytes) -> Mapping[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _safetensors(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from("<Q", data)
    return json.loads(data[8 : 8 + length]), data[8 + length :]

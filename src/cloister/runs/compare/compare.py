"""One pair of outputs, read by the format that the end of its name tells."""

from __future__ import annotations

import csv
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cloister.core.errors import NotVerified
from cloister.runs.compare.arrays import compare_npy, compare_npz, compare_safetensors
from cloister.runs.compare.checkpoints import compare_checkpoint
from cloister.runs.compare.documents import compare_json, compare_json_lines, compare_table
from cloister.runs.compare.onnx import compare_onnx
from cloister.runs.compare.tally import Mismatch, Tally

_READERS: Mapping[str, Callable[[Tally, bytes, bytes], None]] = {
    "json": compare_json,
    "jsonl": compare_json_lines,
    "ndjson": compare_json_lines,
    "csv": compare_table,
    "tsv": compare_table,
    "npy": compare_npy,
    "npz": compare_npz,
    "safetensors": compare_safetensors,
    "onnx": compare_onnx,
    "pt": compare_checkpoint,
    "pth": compare_checkpoint,
}
FORMATS = tuple(_READERS)
_UNREADABLE = (
    ValueError, LookupError, TypeError, ArithmeticError, OSError, EOFError, RecursionError,
    SyntaxError, MemoryError, NotImplementedError, struct.error, zipfile.BadZipFile,
    zlib.error, csv.Error,
)  # fmt: skip
"""What the standard library raises over bytes that are not what their name says."""
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of comparing one pair."""

    within: bool
    """Whether all numbers agree and all else is equal."""
    largest: float
    """The largest difference of two numbers that agree."""
    numbers: int
    where: str = field(default="", repr=False)
    """The first place that does not agree; empty if all do."""


def compare(suffix: str, a: bytes, b: bytes, tolerance: float) -> Finding:
    """Two outputs of one name; without a reader for it, only equal bytes are the same."""
    reader = _READERS.get(suffix)
    if reader is None or a == b:
        return Finding(a == b, 0.0, 0, "" if a == b else "no reader for this format")
    tally = Tally(tolerance)
    try:
        reader(tally, a, b)
    except Mismatch as mismatch:
        return Finding(False, tally.largest, tally.numbers, mismatch.where[:_LONGEST])
    except _UNREADABLE as error:
        return Finding(False, 0.0, 0, f"not readable: {type(error).__name__}")
    return Finding(True, tally.largest, tally.numbers)


def encode(findings: Sequence[Finding]) -> bytes:
    """What the inside of the fence says."""
    return json.dumps([asdict(one) for one in findings], allow_nan=False).encode()


def decode(said: bytes, count: int) -> list[Finding]:
    """What the fence said of ``count`` pairs; raises NotVerified for anything else."""
    try:
        return [_finding(one) for one in _expected(json.loads(said), count)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotVerified("the comparison of outputs in the fence gave no answer") from error


def _expected(value: Any, count: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(count)
    return value


def _finding(value: Any) -> Finding:
    where = str(value["where"])[:_LONGEST]
    return Finding(
        value["within"] is True, float(value["largest"]), int(value["numbers"]), where
    )
